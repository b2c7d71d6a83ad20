"""Which tokens of a set each of its windows covers: epochs, groups, permutations, and changes of the sequence length.

The tokens of a set, all pairs of files in order, are a circle. An epoch turns it by a random number of tokens, cuts it
into blocks of 131,072 tokens, and permutes them; 1,024 blocks are a group (a smaller set is one group). A group's tokens, in
the order of the files, are tiled by windows of the sequence length, and the windows are permuted. Everything is computed from
(seed, set, epoch, group); a group's blocks are all that is in memory.

Groups bound what a change of the sequence length has to finish: the windows that the current group has left are put
together in the order of the files and tiled anew, so that no token is repeated or lost. Elsewhere the new length meets text
that is whole. At the end of each group fewer tokens than one window stay out, in another place in each epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from megatron_ko.formats.data_record import SetPosition
from megatron_ko.planning.permutation import Permutation, key_of

CHUNK = 256
"""Windows whose order is computed at once."""
Piece = tuple[int, int]
"""First token in the set, and number of tokens; the tokens continue at the beginning of the set after its end."""
Drawn = tuple[tuple[int, int], ...]
"""Windows drawn of a group: (length, number) in the order of drawing, as in ``SetPosition.windows``."""


@dataclass(frozen=True)
class Grain:
    """Sizes of blocks, in tokens, and of groups, in blocks. Positions in checkpoints depend on both."""

    block_tokens: int = 1 << 17
    group_blocks: int = 1 << 10

    @property
    def group_tokens(self) -> int:
        return self.block_tokens * self.group_blocks


class SetWindows:
    """The windows of one set of ``tokens`` tokens."""

    def __init__(self, name: str, tokens: int, seed: int, grain: Grain | None = None) -> None:
        self.name, self.tokens, self.seed = name, tokens, seed
        self._grain = grain or Grain()
        self._blocks = tokens // self._grain.block_tokens
        """Whole blocks; the tokens after them belong to the last group."""
        self._groups = max(1, self._blocks // self._grain.group_blocks)
        self._tiling: tuple[tuple[object, ...], _Tiling] | None = None

    def after(self, position: SetPosition, length: int, count: int) -> SetPosition:
        """The position ``count`` windows of ``length`` tokens after ``position``, in closed form.

        A position at the end of a group stays there: a shorter length may still find room in it.
        """
        if not count:
            return position
        last = self.at(position, length, count - 1)
        done, place = _split(last.windows, length)
        windows = (*done, (length, place + 1))
        return SetPosition(last.epoch, last.group, windows, position.tokens + count * length)

    def at(self, position: SetPosition, length: int, number: int) -> SetPosition:
        """Where window ``number`` of ``length`` tokens after ``position`` is: what is drawn of its group before it."""
        epoch, group = position.epoch, position.group
        done, place = _split(position.windows, length)
        place += number
        here = self._windows_in(group, done, length)
        if place >= here:  # in later groups, which have this length alone
            assert self._groups == 1 or length <= self._grain.group_tokens, (length, self._grain)
            done = ()
            full, last = (self._windows_in(number, (), length) for number in (0, self._groups - 1))
            in_epoch = (self._groups - 1) * full + last
            place += (in_epoch if group == self._groups - 1 else (group + 1) * full) - here
            epoch += place // in_epoch
            place %= in_epoch
            group = min(place // full, self._groups - 1) if full else self._groups - 1
            place -= group * full
        tokens = position.tokens + number * length
        return SetPosition(epoch, group, (*done, (length, place)) if place else done, tokens)

    def pieces(self, position: SetPosition, length: int) -> list[Piece]:
        """The tokens of the window at ``position``, which ``at`` has returned for ``length``."""
        done, place = _split(position.windows, length)
        name = (position.epoch, position.group, done, length)
        if self._tiling is None or self._tiling[0] != name:
            self._tiling = name, self._tile(position.epoch, position.group, done, length)
        return self._tiling[1].pieces(place)

    def _group_tokens(self, group: int) -> int:
        before = self._grain.group_tokens
        return before if group < self._groups - 1 else self.tokens - (self._groups - 1) * before

    def _windows_in(self, group: int, done: Drawn, length: int) -> int:
        """Windows of ``length`` in what ``done`` (windows by length) has left of a group."""
        left = self._group_tokens(group) - sum(size * count for size, count in done)
        if left < length and not done and self._groups == 1:
            return 1  # a set shorter than a window, which repeats it
        return max(left, 0) // length

    def _tile(self, epoch: int, group: int, done: Drawn, length: int) -> _Tiling:
        tokens = self._blocks_of(epoch, group)
        for level, (size, count) in enumerate(done):
            tokens = self._tiling_of(tokens, epoch, group, level, size).left_after(count)
        return self._tiling_of(tokens, epoch, group, len(done), length)

    def _tiling_of(self, tokens: _Spans, epoch: int, group: int, level: int, length: int) -> _Tiling:
        turn = key_of(self.seed, self.name, epoch, "turn") % self.tokens
        key = key_of(self.seed, self.name, epoch, group, level)
        return _Tiling(tokens, length, key, turn, self.tokens)

    def _blocks_of(self, epoch: int, group: int) -> _Spans:
        """Tokens of a group before the circle is turned, in order."""
        size, per_group = self._grain.block_tokens, self._grain.group_blocks
        is_last = group == self._groups - 1
        if self._blocks == 0:
            return _Spans(np.array([0]), np.array([self.tokens]))
        permute = Permutation(self._blocks, key_of(self.seed, self.name, epoch, "blocks"))
        numbers = np.arange(group * per_group, self._blocks if is_last else (group + 1) * per_group)
        starts = np.sort(permute(numbers)) * size
        lengths = np.full(len(starts), size)
        if is_last and self.tokens > self._blocks * size:
            starts = np.append(starts, self._blocks * size)
            lengths = np.append(lengths, self.tokens - self._blocks * size)
        return _Spans(starts, lengths).joined()


def _split(windows: Drawn, length: int) -> tuple[Drawn, int]:
    """Windows drawn of a group before the ones of ``length``, and the number of those."""
    if windows and windows[-1][0] == length:
        return windows[:-1], windows[-1][1]
    return windows, 0


class _Spans:
    """Disjoint runs of tokens in increasing order, as one stream."""

    def __init__(self, starts: np.ndarray, lengths: np.ndarray) -> None:
        self.starts, self.lengths = starts.astype(np.int64), lengths.astype(np.int64)
        self.ends = np.cumsum(self.lengths)

    @property
    def total(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def joined(self) -> _Spans:
        """The same with adjacent spans as one."""
        if not len(self.starts):
            return self
        begins = np.append(True, self.starts[1:] != (self.starts + self.lengths)[:-1])
        return _Spans(self.starts[begins], np.add.reduceat(self.lengths, np.flatnonzero(begins)))

    def part(self, starts: np.ndarray, lengths: np.ndarray) -> _Spans:
        """The tokens at places of this stream: disjoint runs in increasing order."""
        ends = starts + lengths
        cuts = np.unique(np.concatenate((starts, ends, self.ends - self.lengths)))
        after = np.append(cuts[1:], self.total)
        wanted = np.searchsorted(starts, cuts, "right") - 1
        inside = (wanted >= 0) & (cuts < ends[wanted]) & (after > cuts)
        cuts, after = cuts[inside], after[inside]
        span = np.searchsorted(self.ends, cuts, "right")
        return _Spans(self.starts[span] + cuts - (self.ends - self.lengths)[span], after - cuts).joined()


class _Tiling:
    """A stream of tokens in windows of ``length``, permuted."""

    def __init__(self, tokens: _Spans, length: int, key: int, turn: int, circle: int) -> None:
        self._tokens, self._length, self._turn, self._circle = tokens, length, turn, circle
        self._windows = max(1, tokens.total // length)
        self._permute = Permutation(self._windows, key)
        self._chunk = (-1, np.zeros(0, np.int64))

    def pieces(self, place: int) -> list[Piece]:
        """The tokens of the window at ``place`` of the permuted order."""
        number, within = divmod(place, CHUNK)
        if self._chunk[0] != number:
            numbers = np.arange(number * CHUNK, min((number + 1) * CHUNK, self._windows))
            self._chunk = number, self._permute(numbers)
        if self._tokens.total < self._length:
            return [((int(self._tokens.starts[0]) + self._turn) % self._circle, self._length)]
        first = int(self._chunk[1][within]) * self._length
        pieces: list[Piece] = []
        left = self._length
        starts, ends = self._tokens.starts, self._tokens.ends
        span = bisect_right(ends, first)
        while left:
            taken = min(left, int(ends[span]) - first)
            start = int(starts[span]) + first - (int(ends[span - 1]) if span else 0)
            pieces.append(((start + self._turn) % self._circle, taken))
            first, left, span = first + taken, left - taken, span + 1
        return pieces

    def left_after(self, count: int) -> _Spans:
        """The tokens of all windows but the first ``count``, and those behind the last window."""
        windows = np.sort(self._permute(np.arange(count, self._windows))) * self._length
        lengths = np.full(len(windows), self._length)
        behind = self._windows * self._length
        if self._tokens.total > behind:
            windows, lengths = np.append(windows, behind), np.append(lengths, self._tokens.total - behind)
        if not len(windows):
            return _Spans(windows, lengths)
        return self._tokens.part(windows, lengths)
