"""Where this checkout lies."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder with README.md, docs/, examples/ and src/."""
