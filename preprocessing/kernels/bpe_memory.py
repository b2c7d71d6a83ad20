"""Reads of memory that numba has no words for: several bytes at once, and asking for memory ahead.

Owns these few instructions. Nothing is checked: callers keep inside the arrays.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_LONG = ir.IntType(64)


def _place(context, builder, kind, value, index):
    """Pointer to an item of an array."""
    return builder.gep(context.make_array(kind)(context, builder, value).data, [index])


def _loads(bits):
    """Code that reads a number of so many bits, from any byte."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments)
        number = builder.load(builder.bitcast(place, ir.IntType(bits).as_pointer()), align=1)
        return number if bits == 64 else builder.zext(number, _LONG)

    return generate


@intrinsic
def _load8(typingctx, data, at):
    """The 8 bytes of a uint8 array from ``at``, the first one lowest."""
    return types.uint64(data, types.int64), _loads(64)


@intrinsic
def _load4(typingctx, data, at):
    """The 4 bytes of a uint8 array from ``at``, the first one lowest."""
    return types.uint64(data, types.int64), _loads(32)


@intrinsic
def _byte_at(typingctx, data, at):
    """A byte of a uint8 array as uint64."""
    return types.uint64(data, types.uint64), _loads(8)


@intrinsic
def _prefetch(typingctx, numbers, at):
    """Asks for the memory of an item, which is read a little later."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments)
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        how = [ir.Constant(number, n) for n in (0, 3, 1)]  # to read, keep near, data
        builder.call(function, [builder.bitcast(place, pointer), *how])
        return context.get_dummy_value()

    return types.void(numbers, types.int64), generate


# numba gives the first argument
load8: Any = _load8
load4: Any = _load4
byte_at: Any = _byte_at
prefetch: Any = _prefetch
