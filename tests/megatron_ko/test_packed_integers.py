"""Packed rows of integers: round trips, and sizes that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from megatron_ko.formats.packed_integers import Packed, PackedAscending


@pytest.mark.parametrize("bits", range(33))
def test_numbers_return_from_their_bits(bits):
    packed = Packed(5, bits)
    numbers = np.random.default_rng(bits).integers(0, 1 << bits, (7, 5)).astype(np.uint32)
    numbers[0] = (1 << bits) - 1
    rows = packed.pack(numbers)
    assert rows.shape == (7, packed.row_bytes) and packed.row_bytes - -(-5 * bits // 8) in (0, 1)
    np.testing.assert_array_equal(packed.unpack(rows), numbers)


@pytest.mark.parametrize(
    ("count", "bound"), [(1, 1), (3, 2), (12, 31745), (64, 31745), (300, 31745), (9, 7), (5, 1 << 30)]
)
def test_ascending_numbers_return_from_their_bits(count, bound):
    packed = PackedAscending(count, bound)
    numbers = np.sort(np.random.default_rng(count).integers(0, bound, (6, count)), -1).astype(np.uint32)
    numbers[0], numbers[1], numbers[2, : count // 2] = 0, bound - 1, 0
    rows = packed.pack(numbers)
    assert rows.shape == (6, packed.row_bytes)
    np.testing.assert_array_equal(packed.unpack(rows), numbers)


def test_ascending_numbers_need_fewer_bits():
    """64 numbers below 31,745: 8 low bits of each, and 64 ones among 64 + 124 bits."""
    assert Packed(64, 15).row_bytes == 120
    assert PackedAscending(64, 31745).row_bytes == 64 + 24
