"""Keyed permutations of 0 to n - 1 that are computed and not stored.

A Feistel network of six rounds permutes the next larger power of two; results outside the wanted range are permuted again
until they are inside (cycle walking, Black and Rogaway 2002: at most twice on average, because the power is less than twice
the range).
"""

from __future__ import annotations

import hashlib

import numpy as np

ROUNDS = 6


def key_of(*parts: object) -> int:
    """A number of 64 bits that depends on all ``parts``, in order; the same on every machine."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def fraction_of(*parts: object) -> float:
    """A number in [0, 1) that depends on all ``parts``."""
    return (key_of(*parts) >> 11) / 2**53


class Permutation:
    """A bijection of 0 to ``size - 1`` that depends on ``key``."""

    def __init__(self, size: int, key: int) -> None:
        assert size > 0
        self.size = size
        bits = max(2, (size - 1).bit_length())
        self._widths = np.uint64(bits - bits // 2), np.uint64(bits // 2)  # right and left part
        self._masks = tuple(np.uint64((1 << int(width)) - 1) for width in self._widths)
        self._keys = [np.uint64(key_of(key, number) | 1) for number in range(ROUNDS)]

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Where ``numbers``, integers from 0 to ``size - 1``, go: int64 of the same length."""
        result = np.empty(len(numbers), dtype=np.int64)
        walking, open_places = numbers.astype(np.uint64), np.arange(len(numbers))
        while len(walking):
            walking = self._encrypt(walking)
            inside = walking < self.size
            result[open_places[inside]] = walking[inside]
            walking, open_places = walking[~inside], open_places[~inside]
        return result

    def _encrypt(self, numbers: np.ndarray) -> np.ndarray:
        left, right = numbers >> self._widths[0], numbers & self._masks[0]
        for number, key in enumerate(self._keys):  # the parts change places, and with them their widths
            mixed = (
                right + np.uint64(0x9E3779B97F4A7C15)
            ) * key  # golden ratio, and SplitMix64's multiplier below
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & self._masks[1 - number % 2])
        return (left << self._widths[0]) | right
