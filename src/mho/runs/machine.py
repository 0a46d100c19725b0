"""The description of a run of `mho learn boltzmann`; reads and writes TOML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from mho.config import RPU
from mho.data import DATA_SETS, Dataset, digits_8x8
from mho.data import load as load_data
from mho.errors import Faults, InvalidValue, nearest
from mho.tables import fields_from_table
from mho.toml_files import NONE, write_toml

SMALL_DIGITS = "digits"
"""Name, for machines, of the embedded digits as they are, 8×8 pixels."""
HIDDEN = 100
"""Units of the hidden layer where no layers are given."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineSettings:
    """The [machine] section of a config: data, and the parameters of a `mho.learning.BoltzmannMachine`.

    Attributes:
        data: "digits" (embedded, 8×8), "mnist", or a name that `mho.data.load` takes; inputs are flattened.
        threshold: pixels above it are 1.
        layers: units of each layer, the visible layer first; empty: those of the data and 100.
        train_images: use only the first so many training examples; 0: all.
        test_images: use only the first so many test examples; 0: all.
        intra_layer: layers with links inside.
        chains: of annealed importance sampling after the last epoch.
        temperatures: of it; 0: no likelihood is estimated where it cannot be summed exactly.

    The others are those of `BoltzmannMachine`, of the same names.
    """

    data: str = SMALL_DIGITS
    threshold: float = 0.5
    layers: tuple[int, ...] = ()
    intra_layer: tuple[int, ...] = ()
    train_images: int = 0
    test_images: int = 0
    method: str = "vpf"
    k: int | None = None
    sweeps: int | None = None
    temperature: float = 1.0
    coupling: str = "symmetric"
    lr: float = 0.05
    lr_end: float | None = None
    batch_size: int = 10
    epochs: int = 20
    weight_std: float = 0.01
    visible_bias: str = "zero"
    dtype: str = "float32"
    seed: int = 0
    chains: int = 100
    temperatures: int = 1000

    def __post_init__(self) -> None:
        faults = Faults("machine")
        for name in ("layers", "intra_layer"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or not all(type(item) is int for item in value):
                faults.add(f"{name} is {value!r}; give a list of integers")
            else:
                object.__setattr__(self, name, tuple(value))
        faults.number("train_images", self.train_images, low=0, integer=True)
        faults.number("test_images", self.test_images, low=0, integer=True)
        faults.number("chains", self.chains, low=2, integer=True)
        faults.number("temperatures", self.temperatures, low=0, integer=True)
        faults.number("threshold", self.threshold, low=-1e30, high=1e30)
        faults.raise_any()

    def parameters(self, rpu: RPU | None) -> dict[str, Any]:
        """Return the parameters of the machine, as `BoltzmannMachine` takes them; data must be binary already."""
        own = dataclasses.asdict(self)
        for name in ("data", "threshold", "train_images", "test_images", "chains", "temperatures"):
            del own[name]
        return own | {"layers": list(self.layers), "intra_layer": list(self.intra_layer) or None, "rpu": rpu}


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineExperiment:
    """All that decides a result of `mho learn boltzmann`: the machine, and its arrays.

    Attributes:
        machine: data and parameters.
        rpu: of the arrays; None: floating point.
    """

    machine: MachineSettings
    rpu: RPU | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain tables; the sections of the RPU, if any, stand at the top level."""
        own = {
            name: NONE if value is None else list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.machine).items()
        }
        return {"machine": own} | ({} if self.rpu is None else self.rpu.to_dict())

    def to_toml(self) -> str:
        """Return the complete config."""
        return write_toml(self.to_dict())

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> MachineExperiment:
        """Build from plain tables; a section of an RPU puts the machine on arrays.

        Raises:
            InvalidValue: naming every fault at once.
        """
        rest, faults = dict(tables), []
        table, settings, rpu = rest.pop("machine", {}), MachineSettings(), None
        known = [field.name for field in dataclasses.fields(RPU)]
        for section in [section for section in rest if section not in known]:
            faults.append(f"unknown section {section!r}{nearest(section, ['machine', *known])}")
            del rest[section]
        try:
            if not isinstance(table, Mapping):
                raise InvalidValue(f"is {table!r}; write a section [machine]")
            settings = fields_from_table(MachineSettings, table)
        except InvalidValue as error:
            faults += [f"machine.{fault}" for fault in error.faults]
        try:
            rpu = RPU.from_dict(rest) if rest else None
        except InvalidValue as error:
            faults += error.faults
        if faults:
            raise InvalidValue("the config has faults:\n  " + "\n  ".join(faults), faults)
        return cls(machine=settings, rpu=rpu)

    def with_layers(self, data: BinaryData) -> MachineExperiment:
        """Return the experiment with the layers that it has by default."""
        if self.machine.layers:
            return self
        layers = (data.train.shape[1], HIDDEN)
        return dataclasses.replace(self, machine=dataclasses.replace(self.machine, layers=layers))


@final
@dataclasses.dataclass(frozen=True)
class BinaryData:
    """Binary examples for a machine.

    Attributes:
        name: of the data set.
        train: (n, units) of 0 and 1.
        test: likewise.
        shape: (height, width) of an example that is a picture of one channel; None for others.
    """

    name: str
    train: Tensor
    test: Tensor
    shape: tuple[int, int] | None


def binary_data(settings: MachineSettings, folder: Any = None) -> BinaryData:
    """Load the data of a machine and set pixels above the threshold to 1.

    Args:
        settings: names the data.
        folder: with the files of a data set that has such.

    Raises:
        InvalidValue: for data that are no numbers, or of which no unit ever changes.
        DataMissing: where files are not to be had.
    """
    if settings.data == SMALL_DIGITS:
        if folder is not None:
            files = ", ".join(name for name, source in DATA_SETS.items() if source.folder)
            raise InvalidValue(f"a data folder has no effect on the data digits; leave it out, or use {files}")
        data: Dataset = digits_8x8()
    else:
        data = load_data(settings.data, folder)
    data = data.first(settings.train_images, settings.test_images)
    train, test = ((x.flatten(1) > settings.threshold).to(torch.float32) for x in (data.x_train, data.x_test))
    if bool((train == train[0]).all()):
        raise InvalidValue(
            f"all examples of the data {data.name} are equal once pixels above machine.threshold = "
            f"{settings.threshold:g} are 1; give a threshold between {float(data.x_train.min()):g} and "
            f"{float(data.x_train.max()):g}"
        )
    shape = tuple(data.x_train.shape[1:])
    picture = shape[-2:] if len(shape) >= 2 and train.shape[1] == shape[-2] * shape[-1] else None
    return BinaryData(data.name, train, test, picture)  # type: ignore[arg-type]
