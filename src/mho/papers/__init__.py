"""The papers whose curves mho reproduces: one folder a paper."""

from __future__ import annotations

from pathlib import Path

from mho.papers.gokmen_2016.curves import CURVES as GOKMEN_2016
from mho.papers.gokmen_2017.curves import CURVES as GOKMEN_2017
from mho.papers.kim_2019.curves import CURVES as KIM_2019
from mho.papers.paper import Paper as Paper

_HERE = Path(__file__).parent
PAPERS = {
    name: Paper(name, _HERE / name, curves)
    for name, curves in (("gokmen_2016", GOKMEN_2016), ("gokmen_2017", GOKMEN_2017), ("kim_2019", KIM_2019))
}
"""By the name that `mho reproduce` takes."""
