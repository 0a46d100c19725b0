"""The papers whose curves mho reproduces: one folder a paper."""

from __future__ import annotations

from pathlib import Path

from mho.papers.paper import Paper
from mho.papers.registry import Papers

PAPERS = Papers(__name__, Path(__file__).parent)
"""Papers by the name that `mho reproduce` takes."""

__all__ = ["PAPERS", "Paper", "Papers"]
