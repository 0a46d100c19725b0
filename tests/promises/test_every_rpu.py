"""Every cell with every law, update and option: an RPU that works, or a refusal that says why."""

from __future__ import annotations

import itertools

import pytest
import torch

import mho
from mho import RPU, Crossbar, Exact, Pulses
from mho.cells import CELLS
from mho.devices import LAWS
from mho.devices.options import OPTIONS
from mho.errors import InvalidValue
from mho.tables import UPDATES

NEEDED = {
    "Replicated": {"n": 3},
    "TikiTaka": {"visible": 0.5},
    "AGAD": {"visible": 0.5},
    "MixedPrecision": {"every": 1},
}
"""Arguments of cells that have no default for them, or whose weights would not move within two vectors."""
MORE_UPDATES = [
    Pulses(length=40, update_management=True),
    Pulses(x_gain=0.8, d_gain=0.5),
    Pulses(length=40, length_management=True),
    Pulses(length=40, trains="deterministic"),
]
ALL_ON = {name: 0.3 if name == "stuck" else mho.per_cell(0.1, spread=0.3) for name in OPTIONS}
ROWS, COLUMNS, VECTORS, REPLICAS = 2, 3, 2, 2

PAIRS = [pytest.param(cell, law, id=f"{cell}-{law}") for cell, law in itertools.product(CELLS, LAWS)]


def parts() -> list[tuple[Pulses | Exact, dict[str, object]]]:
    """Every update with no option and with all together; each option alone, with updates in turn; more updates."""
    updates = [kind() for kind in UPDATES.values()]
    return [
        *itertools.product(updates, [{}, ALL_ON]),
        *zip(itertools.cycle(updates), ({name: 0.1} for name in OPTIONS)),
        *((update, {}) for update in MORE_UPDATES),
    ]


def use(rpu: RPU) -> None:
    """Make an array in NumPy, do all that arrays do, and check what comes back."""
    array = Crossbar(rpu, ROWS, COLUMNS, replicas=REPLICAS, backend="reference")
    generator = torch.Generator().manual_seed(0)
    x, d = (torch.rand(REPLICAS, VECTORS, size, generator=generator) * 2 - 1 for size in (COLUMNS, ROWS))
    answers = {"forward": array.forward(x), "backward": array.backward(d)}
    before = array.weight.clone()
    array.update(x, d, 0.1)
    assert not torch.equal(array.weight, before)
    answers["updated"] = array.weight.clone()
    array.rest(2.0)
    answers["rested"] = array.weight.clone()
    array.write(torch.full((ROWS, COLUMNS), 0.05))
    answers |= {"read": array.read(), "written": array.weight}
    shapes = {"forward": (VECTORS, ROWS), "backward": (VECTORS, COLUMNS)}
    for name, values in answers.items():
        assert values.shape == (REPLICAS, *shapes.get(name, (ROWS, COLUMNS))), name
        assert torch.isfinite(values).all(), name
    for name, values in array.cell_parameters().items():
        bank = next((spec for spec in rpu.banks if name.startswith(f"{spec.name}.")), rpu.banks[0])
        assert values.shape[:4] == (REPLICAS, bank.devices, ROWS, COLUMNS), name
    counters = array.counters()
    assert {(total.dtype, total.shape) for total in counters.values()} == {(torch.int64, (REPLICAS,))}
    assert (counters["coincidences"] > 0).all() == isinstance(rpu.update, Pulses)


@pytest.mark.parametrize(("cell", "law"), PAIRS)
def test_every_rpu_works_or_is_refused_with_the_reason(cell, law):
    """Nothing is compiled. Each part alone is good: what is refused is a pair, or an option that needs another."""
    made_cell = CELLS[cell](**NEEDED.get(cell, {}))
    works, refusals = 0, []
    for update, chosen in parts():
        try:
            rpu = RPU(device=LAWS[law](**chosen), cell=made_cell, update=update)
        except InvalidValue as refusal:
            refusals.append(str(refusal))
            continue
        use(rpu)
        assert RPU.from_toml(rpu.to_toml()) == rpu
        works += 1
    # what refused everything would pass
    wants_point = getattr(made_cell, "reference", "zero") == "symmetry_point"  # which ConstantStep has not
    assert works or (cell != "Single" and (law != "ConstantStep" or wants_point)), refusals
    for text in refusals:
        assert any(name in text for name in (cell, law, *OPTIONS)), text
        assert ";" in text, f"{text!r} says no cure"
