"""Words of `mho config` beside keys: its head, examples, and the purpose of sections."""

from __future__ import annotations

HEAD = """\
# Every setting of mho train with its default; behind it what it may be. This is the config of mho train without
# options: mho config > mine.toml, change what you like, mho train mine.toml. A key or a section with # in front is off.
# mho config check mine.toml names all faults. Single settings: mho train --set forward.noise=0.1.
"""
BESIDE = """\
# Other arrays for some layers, by name or pattern; what is not given here is as above.
# [layers."conv*".cell]
# kind = "Replicated"
# n = 4
"""
SWEEP = """\
# Values that change from row to row; each is named as for --set. Of the three tables at least one, or several seeds.
# [sweep.grid]  # every combination
# "forward.noise" = [0.0, 0.06]
# [sweep.list]  # columns side by side
# "update.length" = [1, 10]
# "update.update_management" = [true, false]
# [sweep.random]  # count draws, the same in every run
# count = 8
# "device.dw_min.mean" = { low = 1e-4, high = 1e-2, log = true }
"""
AFTER = {"layers": BESIDE, "sweep": SWEEP}
"""What stands behind the keys of a section, for sections whose other keys are names of the user's own."""
DRAWN = (
    "A number holds for every device; { mean = 0.001, spread = 0.3 } lets each draw its own, spread being relative to "
    'the mean and std absolute, from distribution = "normal", "lognormal", "uniform" or "bernoulli".'
)
TITLES = {
    "training": "What is trained, and how.",
    "task": "Options of training.task.",
    "model": "Options of training.model.",
    "zero_shifting": "Zero-shifting before the first epoch, for cells with a reference device (Referenced).",
    "device": "The device at each cross-point.",
    "cell": "Which devices make a weight.",
    "forward": "The read of the forward cycle.",
    "backward": "The read of the backward cycle.",
    "update": "The update cycle.",
    "tile": "The largest array that is built.",
    "scale": "The digital factor between the weights of a layer and the weights of its array.",
    "layers": "Sections device, cell, forward, backward, update, tile and scale of some layers, by name or pattern.",
    "sweep": "Of mho sweep: the experiments that a config describes at once.",
}
