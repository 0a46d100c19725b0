"""The curves of Sedghi & Anandkumar 2016, arXiv 1603.00954: the paper has no experiments, and these are ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from mho.learning.spectral.problem import Problem
from mho.papers.sedghi_2016.arrays import OnArrays
from mho.papers.sedghi_2016.descent import Refined, Starts
from mho.papers.sedghi_2016.study import Samples
from mho.papers.sedghi_2016.tags import Tagging
from mho.papers.study import Study

NOISE = (0.0, 0.01, 0.03, 0.06, 0.1, 0.3)

CURVES: Mapping[str, Callable[..., Study]] = {
    "independent": Samples,
    "markov": partial(Samples, problem=Problem(memory=0.5)),
    "bidirectional": partial(Samples, problem=Problem(bidirectional=True, hidden=3, outputs=6)),
    "linear": partial(Samples, problem=Problem(quadratic=False, recurrent=0.5)),
    "starts": Starts,
    "starts_wide": partial(Starts, problem=Problem(inputs=20, hidden=8, outputs=8)),
    "refined": Refined,
    "random_start": partial(Refined, start="random"),
    **{f"read_noise_{noise:g}": partial(OnArrays, read_noise=noise) for noise in NOISE},
    "tags_spectral": partial(Tagging, trained="read_out"),
    "tags_refined": Tagging,
    "tags_backpropagation": partial(Tagging, start="random"),
    "tags_without_context": partial(Tagging, start="random", context=False),
}
