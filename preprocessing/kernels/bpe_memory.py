"""Memory reads that numba does not offer: several bytes at once, and prefetching.

Owns these instructions. Bounds are not checked: callers must stay inside the arrays.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_LONG = ir.IntType(64)


def _pointer_to(context, builder, array_type, value, index):
    """Pointer to an item of an array."""
    return builder.gep(context.make_array(array_type)(context, builder, value).data, [index])


def _loads(bits):
    """Code that reads a number of ``bits`` bits, at any alignment."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer_to(context, builder, signature.args[0], *arguments)
        number = builder.load(builder.bitcast(pointer, ir.IntType(bits).as_pointer()), align=1)
        return number if bits == 64 else builder.zext(number, _LONG)

    return generate


@intrinsic
def _load8(typingctx, data, at):
    """The 8 bytes of a uint8 array at ``at`` as uint64, the first byte lowest."""
    return types.uint64(data, types.int64), _loads(64)


@intrinsic
def _load4(typingctx, data, at):
    """The 4 bytes of a uint8 array at ``at`` as uint64, the first byte lowest."""
    return types.uint64(data, types.int64), _loads(32)


@intrinsic
def _byte_at(typingctx, data, at):
    """A byte of a uint8 array as uint64."""
    return types.uint64(data, types.uint64), _loads(8)


@intrinsic
def _prefetch(typingctx, numbers, at):
    """Prefetches an item that is read soon."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer_to(context, builder, signature.args[0], *arguments)
        byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte_pointer], function_type)
        options = [ir.Constant(number, n) for n in (0, 3, 1)]  # read, high locality, data
        builder.call(function, [builder.bitcast(pointer, byte_pointer), *options])
        return context.get_dummy_value()

    return types.void(numbers, types.int64), generate


# numba passes the first argument
load8: Any = _load8
load4: Any = _load4
byte_at: Any = _byte_at
prefetch: Any = _prefetch
