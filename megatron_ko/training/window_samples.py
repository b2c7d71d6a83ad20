"""The samples of one stage of training as windows of the token files, without an index.

Sample k is a function of (seed, stage, k) and of the positions of the sets where the stage, or the run that continues it,
begins. ``planning.mixing`` chooses the set, ``planning.set_windows`` the tokens, ``token_reading`` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from megatron_ko.formats.data_record import SetPosition
from megatron_ko.formats.manifest import Manifest
from megatron_ko.planning.mixing import Mixing
from megatron_ko.planning.set_windows import Grain, Piece, SetWindows
from megatron_ko.training.token_reading import OpenFiles, SetReader


class WindowSamples(torch.utils.data.Dataset):
    """Samples ``first`` and later of a stage, by number; those before belong to the run that it continues.

    ``begin`` contains the position of each set at ``first``; a set that is missing there begins with its first epoch.
    """

    def __init__(
        self,
        manifest: Manifest,
        mixing: Mixing,
        *,
        seed: int,
        sequence_length: int,
        first: int = 0,
        begin: Mapping[str, SetPosition] | None = None,
        grain: Grain | None = None,
    ) -> None:
        sets, files, names = manifest.of_split("train"), OpenFiles(), mixing.names
        self.first, self._length, self._mixing, self._names = first, sequence_length, mixing, names
        self._windows = [SetWindows(name, sets[name].tokens, seed, grain) for name in names]
        self._readers = [SetReader(sets[name], files) for name in names]
        self._begin = [(begin or {}).get(name, SetPosition()) for name in names]
        self._drawn = mixing.counts(first).tolist()
        self._positions = torch.arange(sequence_length)
        self._ones = torch.ones(sequence_length)

    @property
    def dataset(self) -> WindowSamples:
        """Itself: samples by number."""
        return self

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """``tokens`` and ``labels`` [S] int64, ``loss_mask`` and ``position_ids`` [S]. The label is the next token of the file."""
        source, pieces = self._pieces(sample)
        reader = self._readers[source]
        parts = [reader.read(start, count + 1).astype(np.int64) for start, count in pieces]
        if len(parts) == 1:
            tokens, labels = parts[0][:-1], parts[0][1:]
        else:
            tokens = np.concatenate([part[:-1] for part in parts])
            labels = np.concatenate([part[1:] for part in parts])
        return {
            "tokens": torch.from_numpy(tokens),
            "labels": torch.from_numpy(labels),
            "loss_mask": self._ones,
            "position_ids": self._positions,
        }

    def samples(self, first: int, last: int) -> Iterator[dict[str, Tensor]]:
        """The samples ``first`` to ``last`` (exclusive)."""
        return (self[number] for number in range(first, last))

    def count(self, first: int, last: int) -> dict[str, int]:
        """Samples of each set among the numbers ``first`` to ``last`` (exclusive)."""
        counts = self._mixing.counts(last) - self._mixing.counts(first)
        return dict(zip(self._names, counts.tolist()))

    def documents(self, first: int, last: int) -> dict[str, list[int]]:
        """Documents in the samples ``first`` to ``last`` (exclusive), by the path of the token files without suffix."""
        found: dict[str, set[int]] = {}
        for sample in range(first, last):
            source, pieces = self._pieces(sample)
            for start, count in pieces:
                for prefix, numbers in self._readers[source].documents(start, count + 1):
                    found.setdefault(prefix, set()).update(numbers)
        return {path: sorted(numbers) for path, numbers in sorted(found.items())}

    def counters_after(self, last: int) -> dict[str, SetPosition]:
        """Position of each set after the samples before ``last``: where a stage or run that continues there begins."""
        counts = self._mixing.counts(last).tolist()
        return {
            name: windows.after(begin, self._length, count - drawn)
            for name, windows, begin, count, drawn in zip(
                self._names, self._windows, self._begin, counts, self._drawn
            )
        }

    def _pieces(self, sample: int) -> tuple[int, list[Piece]]:
        assert sample >= self.first, (sample, self.first)
        source, number = self._mixing.source(sample)
        windows = self._windows[source]
        position = windows.at(self._begin[source], self._length, number - self._drawn[source])
        return source, windows.pieces(position, self._length)
