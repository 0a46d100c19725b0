"""Tests in the rooms of `mho` that they test; what crosses rooms stands in `promises`, `documents` and `networks`."""
