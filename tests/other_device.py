"""A second device on a machine that has only a CPU: its tensors mix with the CPU's as little as a GPU's do.

Within `other_device()`, tensors can be made on `OTHER` or moved there. Their numbers lie in the CPU's memory and the CPU reckons with
them, but PyTorch's rules of devices hold: an operation on tensors of both devices raises what CUDA would raise, only single numbers and
indices of the CPU are let in, a generator of the CPU draws nothing there, and NumPy cannot read them. So code that forgets to
move a tensor fails here as it would on a GPU. What it does not show is a GPU's arithmetic, its speed or its memory.

The device is PyTorch's PrivateUse1, which it keeps free for devices it does not know.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

__all__ = ["CPU", "MIXES", "OTHER", "other_device"]

OTHER = torch.device("privateuseone", 0)
CPU = torch.device("cpu")
MIXES = [(*three, OTHER if three.count(OTHER) % 2 else CPU) for three in itertools.product((CPU, OTHER), repeat=3)][1:]
"""Where each of four things may lie, but for all on the CPU: every three of them in all eight ways."""

_OF_CPU = torch.Generator
_DRAWING_THERE: dict[int, torch.Generator] = {}  # by address: PyTorch hands an operation another object for the same generator
aten = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default}
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default, aten._unsafe_index.Tensor}


class _There(torch.Tensor):
    """A tensor of `OTHER`; `numbers` are its elements, on the CPU."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> _There:
        made = torch.Tensor._make_wrapper_subclass(
            cls, numbers.shape, strides=numbers.stride(), storage_offset=numbers.storage_offset(), dtype=numbers.dtype, device=OTHER
        )
        made.numbers = numbers
        return made

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        raise RuntimeError(f"{operation} on a tensor of the other device, outside other_device()")

    def tolist(self) -> Any:  # PyTorch has no answer for a class of ours
        return self.numbers.tolist()

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"there({self.numbers!r})"


class _Generator(torch.Generator):
    """What `torch.Generator(OTHER)` gives: the CPU's numbers, for tensors there alone."""

    def __new__(cls, device: torch.device | str = CPU) -> torch.Generator:
        there = torch.device(device).type == OTHER.type
        return super().__new__(cls) if there else _OF_CPU(device)

    def __init__(self, device: torch.device | str = OTHER) -> None:
        super().__init__()
        _DRAWING_THERE[self._cdata] = self

    @property
    def device(self) -> torch.device:
        return OTHER


class _Devices(TorchDispatchMode):
    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = named or {}
        told = named.get("device")
        if _There not in types and (told is None or told.type != OTHER.type):
            _refuse_generator(named.get("generator"), at_home=True)
            return operation(*arguments, **named)
        if torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), "CompositeImplicitAutograd"):  # in inference mode
            with self:
                return operation.decompose(*arguments, **named)
        leaves, shape = tree_flatten((arguments, named))
        there = [leaf for leaf in leaves if isinstance(leaf, _There)]
        if there and operation not in MOVES:
            _refuse_mixed(operation, arguments, leaves)
        at_home = (told or OTHER).type != OTHER.type
        _refuse_generator(named.get("generator"), at_home)
        arguments, named = tree_unflatten([_as_kept(leaf) for leaf in leaves], shape)
        # what was given comes back itself, as from operations in place
        given = {id(leaf.numbers): leaf for leaf in there} | {id(leaf): leaf for leaf in leaves if isinstance(leaf, Tensor)}
        return tree_map(lambda out: _brought(out, given, at_home), operation(*arguments, **named))


def _refuse_mixed(operation: Any, arguments: Any, leaves: list[Any]) -> None:
    places = arguments[1] if operation in INDEXED else ()
    for leaf in leaves:
        if isinstance(leaf, Tensor) and not isinstance(leaf, _There) and leaf.ndim and not any(leaf is place for place in places):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {OTHER} and {leaf.device}! ({operation})"
            )


def _refuse_generator(generator: Any, at_home: bool) -> None:
    if isinstance(generator, _OF_CPU) and (generator._cdata in _DRAWING_THERE) == at_home:
        wanted, found = (CPU, OTHER) if at_home else (OTHER, CPU)
        raise RuntimeError(f"Expected a '{wanted.type}' device type for generator but found '{found.type}'")


def _as_kept(leaf: Any) -> Any:
    if isinstance(leaf, _There):
        return leaf.numbers
    return CPU if isinstance(leaf, torch.device) and leaf.type == OTHER.type else leaf


def _brought(out: Any, given: dict[int, Tensor], at_home: bool) -> Any:
    if not isinstance(out, Tensor):
        return out
    return given.get(id(out), out if at_home else _There(out))


@functools.cache
def _registered() -> None:
    """PyTorch asks a device for two things that are not operations: a guard and a module."""
    torch._C._acc.register_python_privateuseone_device_guard(backend_registration._DummyDeviceGuard())
    torch._register_device_module(OTHER.type, backend_registration._DummyBackendModule())


@contextmanager
def other_device() -> Iterator[torch.device]:
    """Tensors can lie on the device that this gives."""
    _registered()
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) makes its tensor on the CPU first, and moves it
    try:
        with _Devices(), patch.object(torch, "Generator", _Generator):
            yield OTHER
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)
