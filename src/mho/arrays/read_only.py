"""Tensors that only tell: what an array computes or draws, which writing into would not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from mho.errors import WrongUse


@final
class ReadOnly(Tensor):
    """A copy of values of an array. Reading, computing and saving work as with any tensor; writing raises WrongUse.

    Results of operations are plain tensors, views of it are read-only too, and so is what `numpy()` returns.
    """

    cure: str

    @staticmethod
    def of(values: Tensor, cure: str) -> ReadOnly:
        """Return values as read-only.

        Args:
            values: a tensor that nobody else writes into.
            cure: what they are and how to change them, the end of a message.
        """
        made = values.as_subclass(ReadOnly)
        made.cure = cure
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in LAYERS and torch.is_grad_enabled() and any(_trains(value) for value in (*args, *options.values())):
            raise WrongUse(
                f"a product with values that only tell trains nothing; call the layer. They are {_cure(args)}"
            )
        written = _written(func, args, options)
        for target in written:
            if isinstance(target, ReadOnly):
                raise WrongUse(f"these values are a copy of an array's: {target.cure}")
        with torch._C.DisableTorchFunctionSubclass():
            answer = func(*args, **options)
        source = next((value for value in args if isinstance(value, ReadOnly)), None)
        return answer if source is None else _shared(answer, source)

    def __format__(self, spec: str) -> str:
        return format(self.clone(), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.clone().__reduce_ex__(protocol)


LAYERS = (F.linear, F.bilinear, F.conv1d, F.conv2d, F.conv3d)


def _trains(value: Any) -> bool:
    return isinstance(value, Tensor) and not isinstance(value, ReadOnly) and value.requires_grad


def _cure(args: tuple[Any, ...]) -> str:
    return next((value.cure for value in args if isinstance(value, ReadOnly)), "a copy of an array's")


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
        return ReadOnly.of(answer, source.cure) if lies_there and answer.numel() else answer
    if isinstance(answer, (list, tuple)):
        return type(answer)(_shared(part, source) for part in answer) if type(answer) in (list, tuple) else answer
    flags = getattr(answer, "flags", None)
    if hasattr(flags, "writeable"):
        answer.flags.writeable = False
    return answer
