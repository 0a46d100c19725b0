"""The layers of any torch model that become arrays, found by sending one image through it."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mho.errors import InvalidValue, nearest
from mho.models import Network
from mho.nn import LAYER_KINDS, ArrayLayer, LayerKind, find_ties, kind_names, kind_of
from mho.spoken import already_digital, kept_digital

ELEMENTWISE = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.PReLU)
LOOK_UPS = (nn.EmbeddingBag,)
"""Parameters of these are no matrix that vectors are multiplied with."""
PRODUCTS = {
    "linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "addmv", "baddbmm", "addbmm", "einsum",
    "tensordot", "multi_head_attention_forward",
}  # fmt: skip
"""Functions that multiply with a matrix."""


@final
@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer with an array form that an image goes through.

    Attributes:
        name: qualified name, with that of the part where a layer becomes several; "model" where the model is the layer.
        out: rows of the matrix of one group.
        inputs: its columns, without the bias.
        bias: whether there is a bias.
        groups: matrices of this size.
        vectors: vectors per image that go through each, in all uses together.
        uses: how often an image goes through the layer; each step of a recurrence counts.
        names: by which patterns may call it: its own, and that of the torch layer, which may become several.
    """

    name: str
    out: int
    inputs: int
    bias: bool
    groups: int
    vectors: int
    uses: int
    names: tuple[str, ...]


@final
@dataclasses.dataclass(frozen=True)
class Digital:
    """A layer with parameters that no array holds."""

    name: str
    kind: str
    parameters: int


@final
@dataclasses.dataclass(frozen=True)
class Trace:
    """What an image meets.

    Attributes:
        layers: in the order in which the image first meets them.
        digital: layers whose parameters stay digital.
        idle: names of layers with weights that the image never reaches.
    """

    layers: tuple[Layer, ...]
    digital: tuple[Digital, ...]
    idle: tuple[str, ...]


def trace(network: Network, *, exclude: Iterable[str] = ()) -> Trace:
    """Send one image of zeros through a network in evaluation mode and note its layers.

    The network is built without weights in memory (torch's meta device); where it cannot be, because it computes with
    values, it is built on the CPU.

    Args:
        network: how the model is built, and the shape of its image.
        exclude: patterns of layers that stay digital, with all that is inside them.

    Raises:
        InvalidValue: naming the module that cannot be traced, and its input; or a pattern that matches no layer.
    """
    patterns = [exclude] if isinstance(exclude, str) else list(exclude)
    with already_digital(patterns):
        try:
            return _traced(network, patterns, "meta")
        except _Failed:
            return _traced(network, patterns, "cpu")


def _traced(network: Network, patterns: Sequence[str], device: str) -> Trace:
    with torch.device(device), torch.random.fork_rng(devices=[]):
        try:
            model = network.build()
        except InvalidValue:
            raise
        except Exception as error:
            raise _Failed(f"the model cannot be built: {_first_line(error)}") from error
        if not isinstance(model, nn.Module):
            raise InvalidValue(f"{type(model).__name__} is no model; give what returns a torch.nn.Module")
        walk = _Walk(model, patterns)
        image = torch.zeros(1, *network.image)
        with walk.watching(), torch.no_grad():
            try:
                model(image)
            except InvalidValue:
                raise
            except Exception as error:
                raise _Failed(walk.failure(network.image, error)) from error
        return walk.result()


@final
class _Failed(InvalidValue):
    """A model that ran into an error of its own."""


@final
class _Walk:
    """One image's way through a model."""

    def __init__(self, model: nn.Module, patterns: Sequence[str]) -> None:
        self.model = model
        self.names = {module: name or "model" for name, module in model.named_modules()}
        faults = [
            f"{pattern!r} matches no layer{nearest(pattern, self.names.values())}"
            for pattern in patterns
            if not fnmatch.filter(self.names.values(), pattern)
        ]
        if any(isinstance(module, ArrayLayer) for module in self.names):
            faults.append("the model has array layers already; give the digital model")
        if faults:
            raise InvalidValue("; ".join(faults), faults)
        self.excluded: set[nn.Module] = set()
        for module, name in self.names.items():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                self.excluded.update(module.modules())
        outside = {name for module, name in self.names.items() if module in self.excluded}
        self.owners = find_ties(model, lambda path: (path or "model") in outside).owners
        self.layers: dict[tuple[nn.Module, str], Layer] = {}
        self.reached: set[nn.Module] = set()
        self.inside: list[tuple[nn.Module, list[tuple[int, ...]]]] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks on every module, and on every product with a matrix; in evaluation mode."""
        handles = []
        training = [module for module in self.names if module.training]
        self.model.eval()
        for module in self.names:
            handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            handles.append(module.register_forward_hook(self._leave))
        try:
            with _Products(self._product):
                yield
        finally:
            for handle in handles:
                handle.remove()
            for module in training:
                module.training = True

    def _enter(self, module: nn.Module, arguments: tuple[Any, ...], words: Mapping[str, Any]) -> None:
        given = list(_flat((*arguments, *_in_order(module, words))))
        self.reached.add(module)
        self.inside.append((module, [tuple(value.shape) for value in given if isinstance(value, Tensor)]))
        if module in self.excluded:
            return
        kind = kind_of(module)
        if kind is not None:
            self._check_input(module, kind, given)
        elif isinstance(module, tuple(LAYER_KINDS)) or _is_foreign(module):
            raise self._untraceable(module)

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        given: list[tuple[int, ...]] = []
        while self.inside:  # above it lie modules whose error the model caught
            inner, given = self.inside.pop()
            if inner is module:
                break
        kind = kind_of(module)
        if kind is None or module in self.excluded:
            return
        answer = next(value for value in _flat([output]) if isinstance(value, Tensor))
        owner = self.owners.get(module, module)
        own = kind_of(owner)
        assert own is not None
        for (name, part), use in zip(own.parts_of(owner).items(), kind.parts_of(module).values(), strict=True):
            shape = tuple(answer.shape)
            vectors = kind.vectors(given[0], shape) if use.vectors is None else use.vectors(given, shape)
            shapes = {(*matrix.weight.shape, matrix.bias is not None) for matrix in part.matrices}
            if len(shapes) > 1:
                raise InvalidValue(
                    f"{self._label(module)} has matrices of {len(shapes)} shapes; a table has one per layer"
                )
            rows, columns, bias = shapes.pop()
            before = self.layers.get((owner, name))
            self.layers[owner, name] = Layer(
                self._path(owner, name),
                rows,
                columns,
                bool(bias),
                len(part.matrices),
                vectors + (before.vectors if before else 0),
                (vectors if part.stepwise else 1) + (before.uses if before else 0),
                tuple(dict.fromkeys(self._path(each, end) for end in (name, "") for each in self._users(owner))),
            )

    def _users(self, owner: nn.Module) -> list[nn.Module]:
        """Return all layers that use the arrays of `owner`, which comes first."""
        return [owner, *(layer for layer, own in self.owners.items() if own is owner)]

    def _path(self, module: nn.Module, part: str) -> str:
        """Return the path that a part of a layer has in the converted model."""
        name = self.names[module]
        return name if not part else part if module is self.model else f"{name}.{part}"

    def _product(self, name: str) -> None:
        """A function multiplies with a parameter: it must be that of an array layer."""
        module = self.inside[-1][0] if self.inside else self.model
        if kind_of(module) is None and not any(inner in self.excluded for inner, _ in self.inside):
            raise self._untraceable(module, f", used by {name},")

    def _check_input(self, module: nn.Module, kind: LayerKind, given: list[Any]) -> None:
        """Report a wrong shape in the words of the layer."""
        shape = tuple(given[0].shape) if given and isinstance(given[0], Tensor) else ()
        fault = kind.fault(module, shape)
        if fault is not None:
            raise InvalidValue(
                f"{self._label(module)} got an input of shape {_shape(shape[1:])}: {fault}; give another "
                "--input-shape, or change the layer"
            )

    def _untraceable(self, module: nn.Module, use: str = "") -> InvalidValue:
        sizes = ", ".join(f"{name} {_shape(p.shape)}" for name, p in _own(module) if p.dim() > 1)
        return InvalidValue(
            f"{self._label(module)} has a matrix{f' ({sizes})' if sizes else ''}{use} and no array form: arrays hold "
            f"{kind_names('and')}; use these in its place"
            + ("" if module is self.model else f", or leave it digital: {kept_digital([self.names[module]])}")
        )

    def failure(self, image: Sequence[int], error: Exception) -> str:
        """What to say of an error inside the model."""
        module, shapes = self.inside[-1] if self.inside else (self.model, [(1, *image)])
        got = " and ".join(_shape(shape[1:]) for shape in shapes) or "none"
        return (
            f"{self._label(module)} cannot be traced with an image of shape {_shape(image)}: its input has shape "
            f"{got}, and it says: {_first_line(error)}"
        )

    def result(self) -> Trace:
        """What was noted."""
        held = {inner for module, _ in self.layers for user in self._users(module) for inner in user.modules()}
        digital = [
            Digital(name, type(module).__name__, sum(p.numel() for _, p in _own(module)))
            for module, name in self.names.items()
            if _own(module) and module in self.reached and module not in held
        ]
        idle = [name for module, name in self.names.items() if _own(module) and module not in self.reached | held]
        if not self.layers:
            raise InvalidValue(f"the image meets no {kind_names('or')} that is not excluded; there is nothing to map")
        return Trace(tuple(self.layers.values()), tuple(digital), tuple(idle))

    def _label(self, module: nn.Module) -> str:
        return f"{self.names.get(module, 'model')} ({type(module).__name__})"


@final
class _Products(TorchFunctionMode):
    """Tells of every function that multiplies with a parameter of two dimensions or more, or a view of it."""

    def __init__(self, found: Callable[[str], None]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), words: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in PRODUCTS and any(map(_is_matrix, _flat((*arguments, *(words or {}).values())))):
            self.found(name)
        return function(*arguments, **(words or {}))


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value


def _in_order(module: nn.Module, words: Mapping[str, Any]) -> list[Any]:
    """Return inputs given by keyword in the order in which the module's forward names them."""
    names = list(inspect.signature(module.forward).parameters)
    return [words[name] for name in sorted(words, key=lambda name: names.index(name) if name in names else len(names))]


def _is_matrix(value: Any) -> bool:
    return isinstance(value, Tensor) and any(isinstance(t, nn.Parameter) and t.dim() > 1 for t in (value, value._base))


def _own(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return list(module.named_parameters(recurse=False))


def _is_foreign(module: nn.Module) -> bool:
    """Whether a layer of torch has a matrix that it does not multiply with by `PRODUCTS`."""
    if not type(module).__module__.startswith("torch.nn") or isinstance(module, (*ELEMENTWISE, *LOOK_UPS)):
        return False
    return any(p.dim() > 1 for _, p in _own(module))


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a single number"


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
