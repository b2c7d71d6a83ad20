"""The samples of one stage of training as windows of the token files, without an index.

Sample k is a function of (seed, stage, k) and of the positions of the sets where the stage, or the run that continues it,
begins. ``planning.mixing`` chooses the set, ``planning.set_windows`` the tokens, ``token_reading`` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from megatron_ko.formats.data_record import SetPosition
from megatron_ko.formats.manifest import Manifest
from megatron_ko.planning.fill_in_the_middle import FillInTheMiddle
from megatron_ko.planning.mixing import Mixing
from megatron_ko.planning.set_windows import Grain, Piece, SetWindows
from megatron_ko.planning.stretch_order import order_stretches
from megatron_ko.training.token_reading import OpenFiles, SetReader


class WindowSamples(torch.utils.data.Dataset):
    """Samples ``first`` and later of a stage, by number; those before belong to the run that it continues.

    ``begin`` contains the position of each set at ``first``; a set that is missing there begins with its first epoch.
    A sample consists of ``stretches`` draws, equally long windows of sets that ``mixing`` chooses; ``set_changes`` orders them.
    ``fill_in`` rearranges documents of the draws that a sample is read from.
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
        stretches: int = 1,
        set_changes: float | None = None,
        fill_in: FillInTheMiddle | None = None,
    ) -> None:
        sets, files, names = manifest.of_split("train"), OpenFiles(), mixing.names
        self.first, self._mixing, self._names = first, mixing, names
        self._length, self._stretches = sequence_length // stretches, stretches
        self._seed, self._set_changes, self._fill_in = seed, set_changes, fill_in
        self._windows = [SetWindows(name, sets[name].tokens, seed, grain) for name in names]
        self._readers = [SetReader(sets[name], files) for name in names]
        self._begin = [(begin or {}).get(name, SetPosition()) for name in names]
        self._drawn = mixing.counts(first * stretches).tolist()
        self._positions = torch.arange(sequence_length)
        self._ones = torch.ones(sequence_length)

    @property
    def dataset(self) -> WindowSamples:
        """Itself: samples by number."""
        return self

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """``tokens`` and ``labels`` [S] int64, ``loss_mask`` and ``position_ids`` [S]. The label is the next token of the file,
        or of the rearranged document."""
        parts = [part for draw in self._draws_of(sample) for part in self._read(draw)]
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

    def joints(self, sample: int) -> list[int]:
        """Places of a sample where another stretch of text begins, without 0."""
        counts = [count for draw in self._draws_of(sample) for _, count in self._window(draw)[2]]
        return list(accumulate(counts[:-1]))

    def samples(self, first: int, last: int) -> Iterator[dict[str, Tensor]]:
        """The samples ``first`` to ``last`` (exclusive)."""
        return (self[number] for number in range(first, last))

    def count(self, first: int, last: int) -> dict[str, int]:
        """Draws of each set in the samples ``first`` to ``last`` (exclusive): samples, or their stretches."""
        stretches = self._stretches
        counts = self._mixing.counts(last * stretches) - self._mixing.counts(first * stretches)
        return dict(zip(self._names, counts.tolist()))

    def documents(self, first: int, last: int) -> dict[str, list[int]]:
        """Documents in the samples ``first`` to ``last`` (exclusive), by the path of the token files without suffix."""
        found: dict[str, set[int]] = {}
        for draw in range(first * self._stretches, last * self._stretches):
            source, _, pieces = self._window(draw)
            for start, count in pieces:
                for prefix, numbers in self._readers[source].documents(start, count + 1):
                    found.setdefault(prefix, set()).update(numbers)
        return {path: sorted(numbers) for path, numbers in sorted(found.items())}

    def counters_after(self, last: int) -> dict[str, SetPosition]:
        """Position of each set after the samples before ``last``: where a stage or run that continues there begins."""
        counts = self._mixing.counts(last * self._stretches).tolist()
        return {
            name: windows.after(begin, self._length, count - drawn)
            for name, windows, begin, count, drawn in zip(
                self._names, self._windows, self._begin, counts, self._drawn
            )
        }

    def _draws_of(self, sample: int) -> Sequence[int]:
        """Numbers of the draws of a sample, in the order of its tokens."""
        assert sample >= self.first, (sample, self.first)
        draws = range(sample * self._stretches, (sample + 1) * self._stretches)
        if self._set_changes is None:
            return draws
        sources = [self._mixing.source(draw)[0] for draw in draws]
        order = order_stretches(sources, self._set_changes, self._seed, "stretches", sample)
        return [draws[place] for place in order]

    def _read(self, draw: int) -> Iterator[np.ndarray]:
        """Each piece of a draw with the token after it, which is the last label: [count + 1] int64."""
        source, epoch, pieces = self._window(draw)
        for start, count in pieces:
            tokens = self._readers[source].read(start, count + 1).astype(np.int64)
            yield (
                self._fill_in.rearrange(tokens, self._names[source], epoch, start)
                if self._fill_in
                else tokens
            )

    def _window(self, draw: int) -> tuple[int, int, list[Piece]]:
        """Set, epoch and tokens of a draw."""
        source, number = self._mixing.source(draw)
        windows = self._windows[source]
        position = windows.at(self._begin[source], self._length, number - self._drawn[source])
        return source, position.epoch, windows.pieces(position, self._length)
