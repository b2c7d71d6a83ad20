"""Finds line feeds in bytes, many bytes at once."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit

STRETCH = 64
"""Bytes that ``has_feed`` checks together."""
_FEED = 10


@inner()
def has_feed(data, start):
    """Whether a stretch has a line feed; its constant length lets the loop vectorize."""
    result = False
    for i in range(np.uint64(start), np.uint64(start) + np.uint64(STRETCH)):
        result |= data[i] == _FEED
    return result


@njit()
def find_feeds(data):
    """``[feeds] int64``: where the line feeds are."""
    size, total = len(data), 0
    for i in range(np.uint64(size)):
        total += data[i] == _FEED
    feeds = np.empty(total, np.int64)
    i = 0
    for n in range(total):
        while i + STRETCH <= size and not has_feed(data, i):
            i += STRETCH
        while data[i] != _FEED:
            i += 1
        feeds[n] = i
        i += 1
    return feeds
