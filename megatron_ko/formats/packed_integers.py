"""Rows of integers in as few bits as they need, packed and unpacked as whole arrays.

Owns two encodings of fixed size: numbers below a bound, and ascending numbers below a bound (Elias 1974, Fano 1971). The cache of a
teacher uses both (``docs/formats.md``). Sizes are known without numpy, which is imported to pack and to unpack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Bytes = Any
"""An array of uint8."""
Numbers = Any
"""An array of uint32."""


@dataclass(frozen=True)
class Packed:
    """``count`` numbers a row, each of ``bits`` bits: first the whole bytes of each number, then the rest of the bits of all."""

    count: int
    bits: int

    @property
    def row_bytes(self) -> int:
        return self.count * (self.bits // 8) + -(-self.count * (self.bits % 8) // 8)

    def pack(self, numbers: Numbers) -> Bytes:
        """Bytes [rows, row_bytes] of numbers [rows, count] below 2 ** ``bits``."""
        import numpy as np

        rows, whole = len(numbers), self.bits // 8
        little = np.ascontiguousarray(numbers, "<u4").view(np.uint8).reshape(rows, self.count, 4)
        low = little[..., :whole].reshape(rows, -1)
        if not self.bits % 8:
            return low
        rest = np.unpackbits(little[..., whole], axis=-1, bitorder="little")
        rest = rest.reshape(rows, self.count, 8)[..., : self.bits % 8].reshape(rows, -1)
        return np.concatenate((low, np.packbits(rest, axis=-1, bitorder="little")), axis=-1)

    def unpack(self, packed: Bytes) -> Numbers:
        """The numbers [rows, count] of ``pack``."""
        import numpy as np

        rows, whole, more = len(packed), self.bits // 8, self.bits % 8
        little = np.zeros((rows, self.count, 4), np.uint8)
        little[..., :whole] = packed[:, : self.count * whole].reshape(rows, self.count, whole)
        if more:
            rest = packed[:, self.count * whole :]
            bits = np.unpackbits(rest, axis=-1, count=self.count * more, bitorder="little")
            bits = bits.reshape(rows, self.count, more)
            little[..., whole] = np.packbits(bits, axis=-1, bitorder="little")[..., 0]
        return little.view("<u4")[..., 0]


@dataclass(frozen=True)
class PackedAscending:
    """``count`` numbers a row that never descend, below ``bound``: the low bits of each, then the ends of runs of equal high bits.

    A number h of the high bits at place n of its row is the bit n + h of the second part, so a row has as many ones as numbers.
    """

    count: int
    bound: int

    @property
    def low(self) -> Packed:
        return Packed(self.count, min(range(self.bound.bit_length()), key=self._bytes_with))

    @property
    def row_bytes(self) -> int:
        return self._bytes_with(self.low.bits)

    def _high_bits(self, low: int) -> int:
        return self.count + (self.bound - 1 >> low)

    def _bytes_with(self, low: int) -> int:
        return Packed(self.count, low).row_bytes + -(-self._high_bits(low) // 8)

    def pack(self, numbers: Numbers) -> Bytes:
        """Bytes [rows, row_bytes] of ascending numbers [rows, count]."""
        import numpy as np

        low = self.low
        places = (numbers >> low.bits) + np.arange(self.count, dtype=np.uint32)
        ends = np.zeros((len(numbers), self._high_bits(low.bits)), np.uint8)
        np.put_along_axis(ends, places.astype(np.int64), 1, axis=-1)
        return np.concatenate((low.pack(numbers), np.packbits(ends, axis=-1, bitorder="little")), axis=-1)

    def unpack(self, packed: Bytes) -> Numbers:
        """The numbers [rows, count] of ``pack``."""
        import numpy as np

        low = self.low
        width = self._high_bits(low.bits)
        ends = np.unpackbits(packed[:, low.row_bytes :], axis=-1, count=width, bitorder="little")
        places = np.flatnonzero(ends).reshape(len(packed), self.count)
        places -= width * np.arange(len(packed))[:, None] + np.arange(self.count)
        return (places.astype(np.uint32) << low.bits) | low.unpack(packed)
