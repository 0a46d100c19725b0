"""Versions of mho, and of its physics: which results of mho can be compared bit for bit."""

from __future__ import annotations

import importlib.metadata

VERSION = importlib.metadata.version("mho")

PHYSICS_VERSION = 2
"""Raised by hand in a commit that changes the bits of a run, and the commit says why.

Two runs of equal description and seed have equal bits where their versions of the physics are equal. Results of papers
name this version and are valid for no other.
"""
