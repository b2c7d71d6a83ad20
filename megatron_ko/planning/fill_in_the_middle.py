"""Fill-in-the-middle (Bavarian et al. 2022, arXiv:2207.14255): documents rearranged so that a model learns to infill.

Works on token ids, after a sequence is cut out of the files (context level in the paper's terms): each part of a document within a
window is a document of its own. Two cuts at token borders give prefix, middle and suffix, any of which may be empty:

    PSM   <prefix> prefix <suffix> suffix <middle> middle
    SPM   <prefix> <suffix> suffix <middle> prefix middle

The end-of-document token stays behind its document. A window keeps its length: each rearranged document takes the place of three
tokens at the end of the window, and is never cut after it was rearranged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from megatron_ko.config.training import DataConfig
from megatron_ko.formats.manifest import Manifest
from megatron_ko.planning.packing_rules import sentinel_ids
from megatron_ko.planning.permutation import fraction_of, key_of

SHORTEST = 3
"""Tokens of the shortest document that is rearranged: one for each part."""


@dataclass(frozen=True)
class FillInTheMiddle:
    """Rearranges the windows of a run. ``rates`` by set; the others are ids of tokens and the seed of all draws."""

    rates: Mapping[str, float]
    spm_rate: float
    prefix: int
    suffix: int
    middle: int
    eod: int
    seed: int

    def rearrange(self, tokens: np.ndarray, name: str, *window: object) -> np.ndarray:
        """``tokens`` [n] of a window of the set ``name`` as [n] tokens, a function of the seed, the set and ``window``."""
        rate = self.rates.get(name, 0.0)
        if not rate:
            return tokens
        parts: list[np.ndarray] = []
        room, begin = len(tokens), 0
        ends = [*np.flatnonzero(tokens == self.eod).tolist(), len(tokens)]
        for number, end in enumerate(ends):
            document = tokens[begin:end]
            key = (self.seed, "fill in the middle", name, *window, number)
            kept = document[: max(0, room - 3)]
            if len(kept) >= SHORTEST and fraction_of(*key, "chosen") < rate:
                document = self._arrange(kept, key)
            parts += (document, tokens[end : end + 1])
            room -= len(document) + 1
            begin = end + 1
            if room <= 0:
                break
        return np.concatenate(parts)[: len(tokens)]

    def _arrange(self, document: np.ndarray, key: tuple[object, ...]) -> np.ndarray:
        places = len(document) + 1
        first, second = sorted(key_of(*key, cut) % places for cut in ("first", "second"))
        prefix, middle, suffix = np.split(document, (first, second))
        before, after, fill = ([token] for token in (self.prefix, self.suffix, self.middle))
        if fraction_of(*key, "order") < self.spm_rate:
            parts = (before, after, suffix, fill, prefix, middle)
        else:
            parts = (before, prefix, after, suffix, fill, middle)
        return np.concatenate([np.asarray(part, dtype=document.dtype) for part in parts])


def fill_in_of(data: DataConfig, manifest: Manifest, seed: int) -> FillInTheMiddle | None:
    """What the section ``data.fill_in_the_middle`` describes; None without it."""
    written = data.fill_in_the_middle
    if written is None:
        return None
    prefix, suffix, middle = sentinel_ids(written, manifest)
    return FillInTheMiddle(
        written.rates, written.spm_rate, prefix, suffix, middle, eod=manifest.eod_id, seed=seed
    )
