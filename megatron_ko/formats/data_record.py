"""The training data as a checkpoint records it: shares, token files and the position of each set.

Owns the entry ``data`` of ``checkpoint.json`` and the comparison of a checkpoint's data with that of a run. Reads no token files:
their fingerprints are those of the manifest.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from megatron_ko.config.fields import NonNegativeFloat, NonNegativeInt, PositiveInt
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import sha256_file
from megatron_ko.formats.manifest import Manifest, TokenPair, TokenSet

log = logging.getLogger(__name__)
SHARE_TOLERANCE = 1e-6
"""Shares that differ by less are equal: a manifest may round them."""
OF_THE_MIXTURE = {"data-share-changed", "data-set-added", "data-set-removed"}
"""Differences of the mixture, which change no token file."""
HINT = (
    "restore the data, or start a new run from these weights (checkpoint.initial_weights), or set "
    "checkpoint.allow_data_change: true to continue with the new data"
)


@dataclass(frozen=True)
class TokenFiles:
    """Fingerprint of a pair of token files: counts, sizes in bytes and, where the manifest has them, checksums."""

    prefix: str
    documents: NonNegativeInt
    tokens: NonNegativeInt
    bin_bytes: NonNegativeInt
    idx_bytes: NonNegativeInt
    sha256: dict[str, str]

    def differs_from(self, other: TokenFiles) -> bool:
        """Compares everything that both have; the path is free, so that data may move."""
        facts = [(f.documents, f.tokens, f.bin_bytes, f.idx_bytes) for f in (self, other)]
        common = set(self.sha256) & set(other.sha256)
        return facts[0] != facts[1] or any(self.sha256[name] != other.sha256[name] for name in common)


@dataclass(frozen=True)
class SetPosition:
    """Position in a training set (``data.order: windows``): the epoch, the group of blocks in it, and what is drawn of that group.

    ``windows`` lists (length in tokens, number of windows) in the order of drawing, one entry for each sequence length;
    ``tokens`` counts all tokens drawn so far. ``planning.set_windows`` gives them their meaning.
    """

    epoch: NonNegativeInt = 0
    group: NonNegativeInt = 0
    windows: tuple[tuple[PositiveInt, PositiveInt], ...] = ()
    tokens: NonNegativeInt = 0


@dataclass(frozen=True)
class TrainedSet:
    """A training set: its share of the samples, its token files in order, the samples drawn from it so far, its position."""

    share: NonNegativeFloat
    samples: NonNegativeInt
    files: tuple[TokenFiles, ...]
    position: SetPosition | None = None
    """None in the order ``megatron``, where the number of samples of the run is the position."""


@dataclass(frozen=True)
class DataChange:
    """A change of the data that ``checkpoint.allow_data_change`` allowed: step, and what differed."""

    step: NonNegativeInt
    differences: tuple[str, ...]


@dataclass(frozen=True)
class DataRecord:
    """The data of a run at one step. ``manifest`` is the SHA-256 of the manifest's content."""

    manifest: str
    train: dict[str, TrainedSet]
    valid: dict[str, tuple[TokenFiles, ...]]
    changes: tuple[DataChange, ...] = field(default=())
    order: str = "megatron"
    """``data.order``; earlier versions had only this one."""

    def at(
        self, samples: Mapping[str, int], positions: Mapping[str, SetPosition] | None = None
    ) -> DataRecord:
        """The record after ``samples`` more samples of each set, at ``positions``."""
        train = {
            name: dataclasses.replace(
                item,
                samples=item.samples + samples.get(name, 0),
                position=(positions or {}).get(name, item.position),
            )
            for name, item in self.train.items()
        }
        return dataclasses.replace(self, train=train)

    def positions(self, order: str) -> dict[str, SetPosition]:
        """Positions that a run in ``order`` continues from; empty if this is the record of another order."""
        if order != self.order:
            return {}
        return {name: item.position for name, item in self.train.items() if item.position is not None}

    def continuing(self, earlier: DataRecord) -> DataRecord:
        """This data in the stage that follows ``earlier``: positions go on, and a new mixture is no change."""
        samples = {name: item.samples for name, item in earlier.train.items()}
        return dataclasses.replace(self.at(samples, earlier.positions(self.order)), changes=earlier.changes)

    def after(self, earlier: DataRecord | None, step: int) -> DataRecord:
        """This data in a run that continues at ``step`` from ``earlier``: positions go on, changes are added.

        In the order ``windows``, the position of a set that is left out stays, at a share of 0: it may come back.
        """
        if earlier is None:
            return self
        begun = self.at(
            {name: item.samples for name, item in earlier.train.items()}, earlier.positions(self.order)
        )
        if self.order == earlier.order == "windows":
            left_out = {
                name: dataclasses.replace(item, share=0.0)
                for name, item in earlier.train.items()
                if name not in self.train
            }
            begun = dataclasses.replace(begun, train={**begun.train, **left_out})
        differences = tuple(f"{p.path}: {p.message}" for p in find_differences(earlier, self))
        added = (DataChange(step, differences),) if differences else ()
        return dataclasses.replace(begun, changes=(*earlier.changes, *added))


def describe_data(manifest: Manifest, mixture: Mapping[str, float], order: str = "megatron") -> DataRecord:
    """The data of a new run; ``mixture`` contains the share of each training set, ``order`` is ``data.order``."""
    base = manifest.path.parent
    return DataRecord(
        manifest=sha256_file(manifest.path),
        train={
            name: TrainedSet(mixture[name], 0, _files_of(tokens, base))
            for name, tokens in sorted(manifest.of_split("train").items())
            if name in mixture
        },
        valid={name: _files_of(tokens, base) for name, tokens in sorted(manifest.of_split("valid").items())},
        order=order,
    )


def _files_of(tokens: TokenSet, base: Path) -> tuple[TokenFiles, ...]:
    return tuple(_fingerprint(pair, base) for pair in tokens.pairs)


def _fingerprint(pair: TokenPair, base: Path) -> TokenFiles:
    prefix = pair.prefix.relative_to(base).as_posix()
    return TokenFiles(
        prefix, pair.documents, pair.tokens, pair.bin_bytes, pair.idx_bytes, dict(pair.sha256 or {})
    )


def find_differences(before: DataRecord, now: DataRecord) -> list[Problem]:
    """Every difference of the training data, which changes the samples that follow."""
    return list(_differences(before, now))


def _differences(before: DataRecord, now: DataRecord) -> Iterator[Problem]:
    if before.order != now.order:
        message = f"is {before.order} in the checkpoint but {now.order} in the run; set data.order: {before.order} to go on exactly"
        yield Problem("", "data.order", message, "data-order-changed")
    for name in sorted(before.train.keys() | now.train.keys()):
        path = f"data.train.{name}"
        then, current = before.train.get(name), now.train.get(name)
        if current is None and then is not None and then.share == 0:
            continue  # left out before, too
        if then is None or current is None:
            rule, message = (
                ("data-set-added", f"set {name!r} is new; the checkpoint was trained without it")
                if then is None
                else ("data-set-removed", f"set {name!r} is missing; the checkpoint was trained with it")
            )
            yield Problem("", path, message, rule)
            continue
        if abs(then.share - current.share) > SHARE_TOLERANCE:
            message = f"the share is {then.share:.6g} in the checkpoint but {current.share:.6g} in the run"
            yield Problem("", f"{path}.share", message, "data-share-changed")
        yield from _file_differences(f"{path}.files", then.files, current.files)


def _file_differences(
    path: str, before: tuple[TokenFiles, ...], now: tuple[TokenFiles, ...]
) -> Iterator[Problem]:
    if len(before) != len(now):
        message = (
            f"the set has {len(before)} pairs of token files in the checkpoint but {len(now)} in the run"
        )
        yield Problem("", path, message, "data-files-changed")
        return
    for then, current in zip(before, now):
        if then.differs_from(current):
            message = (
                f"{current.prefix} has other content ({then.tokens:,} tokens in {then.documents:,} documents in the "
                f"checkpoint, {current.tokens:,} in {current.documents:,} in the run)"
            )
            yield Problem("", path, message, "data-file-changed")


def check_same_data(folder: Path, before: DataRecord | None, now: DataRecord, *, allow_change: bool) -> None:
    """Raises CheckpointError if a run continues from the checkpoint in ``folder`` with other training data.

    With ``allow_change`` it warns. In the order ``windows``, another mixture is no other data: each set goes on from its own
    position. It also warns about other validation data, which makes losses incomparable, and
    about checkpoints of earlier versions, which do not record their data.
    """
    if before is None:
        log.warning("%s: does not record its data (an earlier version wrote it); nothing is compared", folder)
        return
    problems = [dataclasses.replace(problem, where=str(folder)) for problem in find_differences(before, now)]
    if before.order == now.order == "windows":
        for problem in (problem for problem in problems if problem.rule in OF_THE_MIXTURE):
            log.info("%s: each set goes on from its own position", problem)
        problems = [problem for problem in problems if problem.rule not in OF_THE_MIXTURE]
    if problems and not allow_change:
        raise CheckpointError(problems, hint=HINT)
    for problem in problems:
        log.warning(
            "%s (checkpoint.allow_data_change): samples come in another order, some may repeat", problem
        )
    for name in sorted(before.valid.keys() | now.valid.keys()):
        then, current = before.valid.get(name, ()), now.valid.get(name, ())
        if any(_file_differences("", then, current)):
            log.warning(
                "validation set %s has changed: its losses are not comparable with earlier ones", name
            )
