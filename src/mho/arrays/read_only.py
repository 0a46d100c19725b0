"""Tensors with copies of the values of an array: writing into them would not change the array."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, final

import torch
import torch.nn.functional as F
from torch import Tensor

from mho.errors import WrongUse


class ArrayValues(Tensor):
    """Values of an array, or numbers computed from them: no gradient leads to the array.

    Autograd takes them into a loss without a word, as constants: the backward of that loss raises WrongUse, unless they
    are detached. Copies, by `clone`, `deepcopy` or a file, are plain tensors.

    Attributes:
        cure: what they are and how to change them, the end of a message.
        detached: whether the user has said by `detach()` that no gradient is wanted.
    """

    cure: str
    detached = False

    @classmethod
    def of(cls, values: Tensor, cure: str) -> Self:
        """Return values as such a tensor.

        Args:
            values: a tensor that nobody else writes into.
            cure: what they are and how to change them, the end of a message.
        """
        made = values.as_subclass(cls)
        made.cure = cure
        return made

    def __format__(self, spec: str) -> str:
        return format(self.clone(), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.clone().__reduce_ex__(protocol)


@final
class Computed(ArrayValues):
    """Numbers computed from values of an array, such as a penalty; you may write into them."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            answer = func(*args, **options)
        _watch(answer, args, options)
        return _marked(func, answer, args)


@final
class ReadOnly(ArrayValues):
    """A copy of values of an array. Reading, computing and saving work as with any tensor; writing raises WrongUse.

    Results of operations are tensors that you may write into; views of the copy are read-only, as is what `numpy()`
    returns.
    """

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in LAYERS and torch.is_grad_enabled() and any(_trains(value) for value in (*args, *options.values())):
            raise WrongUse(
                f"a product with a copy of the values trains nothing; call the layer. They are {_cure(args)}"
            )
        written = _written(func, args, options)
        for target in written:
            if isinstance(target, ReadOnly):
                raise WrongUse(f"these values are a copy of an array's: {target.cure}")
        with torch._C.DisableTorchFunctionSubclass():
            answer = func(*args, **options)
        _watch(answer, args, options)
        source = next((value for value in args if isinstance(value, ReadOnly)), None)
        return _marked(func, answer if source is None else _shared(answer, source), args)


LAYERS = (F.linear, F.bilinear, F.conv1d, F.conv2d, F.conv3d)


def _trains(value: Any) -> bool:
    return isinstance(value, Tensor) and not isinstance(value, ReadOnly) and value.requires_grad


def _each(values: Iterable[Any]) -> Iterator[Any]:
    """Yield arguments of a function of torch, and what stands in lists of tensors."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _cure(args: tuple[Any, ...]) -> str:
    return next((value.cure for value in _each(args) if isinstance(value, ArrayValues)), "a copy of an array's")


def _watch(answer: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Let a backward raise that comes to where values of an array met a loss, as in a penalty on weights.

    What is only computed, such as a distance to other weights, is nobody's loss.
    """
    if not torch.is_grad_enabled():
        return
    given = [value for value in _each((*args, *options.values())) if isinstance(value, Tensor)]
    with torch._C.DisableTorchFunctionSubclass():
        constant = any(
            isinstance(value, ArrayValues) and not (value.requires_grad or value.detached) for value in given
        )
        if constant and any(value.grad_fn is not None for value in given if not isinstance(value, ArrayValues)):
            for each in _each([answer]):
                if isinstance(each, Tensor) and each.requires_grad:
                    each.register_hook(functools.partial(_refuse, _cure(args)))


def _refuse(cure: str, gradient: Tensor) -> None:
    raise WrongUse(
        "the loss was computed with values of an array, to which no gradient leads: a penalty on them trains nothing. "
        f"They are {cure}, and .detach() constants. For weights that shrink use a device with decay"
    )


def _marked(func: Callable[..., Any], answer: Any, args: tuple[Any, ...]) -> Any:
    """Return what was computed of values of an array as `Computed`, unless it is a copy or has a gradient."""
    name = getattr(func, "__name__", "")
    if isinstance(answer, ReadOnly) and name == "detach":
        answer.detached = True
    if type(answer) is not Tensor or not answer.is_floating_point() or answer.requires_grad:
        return answer
    copies = [value for value in _each(args) if isinstance(value, ArrayValues)]
    own = name == "clone" or any(answer is value for value in args) or all(value.detached for value in copies)
    if own or not torch.is_grad_enabled():
        return answer
    made = Computed.of(answer, copies[0].cure)
    made.detached = name == "detach"
    return made


def _written(func: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> list[Any]:
    """Return the tensors into which a call of torch writes."""
    name = getattr(func, "__name__", "")
    writes = name in ("__setitem__", "__set__") or (name.startswith("__i") and name not in ("__invert__", "__index__"))
    in_place = writes or (name.endswith("_") and not name.endswith("__")) or options.get("inplace") is True
    first = args[0] if args else next(iter(options.values()), None)  # torch.nn.init names its arguments
    targets = list(first) if isinstance(first, (list, tuple)) else [first]
    out = options.get("out")
    return (targets if in_place else []) + (list(out) if isinstance(out, (list, tuple)) else [out])


def _shared(answer: Any, source: ReadOnly) -> Any:
    """Return an answer, read-only where it lies on the memory of its source."""
    if isinstance(answer, Tensor):
        lies_there = answer.untyped_storage().data_ptr() == source.untyped_storage().data_ptr()
        if not (lies_there and answer.numel()):
            return answer
        view = ReadOnly.of(answer, source.cure)
        view.detached = source.detached
        return view
    if isinstance(answer, (list, tuple)):
        return type(answer)(_shared(part, source) for part in answer) if type(answer) in (list, tuple) else answer
    flags = getattr(answer, "flags", None)
    if hasattr(flags, "writeable"):
        answer.flags.writeable = False
    return answer
