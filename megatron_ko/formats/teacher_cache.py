"""The cache of a teacher's log-probabilities (``docs/formats.md``), without torch.

Owns the folder ``stage_N`` of a cache: its description, the shards of records of equal size, and the comparison with a run. A shard
appears whole under its name, so that a run that was killed continues with the first missing one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.distillation import DistillationConfig, TopK
from megatron_ko.config.fields import NonNegativeInt, PositiveFloat, PositiveInt
from megatron_ko.config.loading import in_plain_words
from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError, DataError, Problem
from megatron_ko.files import atomic_file, read_json, write_json
from megatron_ko.formats.checkpoint_folder import Origin
from megatron_ko.formats.manifest import Manifest
from megatron_ko.formats.packed_integers import Packed, PackedAscending

FORMAT = "megatron_ko-teacher-cache-2"
DESCRIPTION = "cache.json"
HASH_BYTES, VALUE_BYTES = 8, 2
INFINITY = 0x7C00
"""Bits of a float16 without its sign: those of logarithms of descending probabilities ascend, at most to these."""
SHARD_BYTES, SHARD_TOKENS = 1 << 28, 1 << 19
"""Most of a shard: what a killed command loses, and how long other ranks wait for the last one (``run.timeout_s``)."""
REMEDY = "write it with 'mko distill cache'"
Found = tuple[str, str, str]


@dataclass(frozen=True)
class TeacherCache:
    """The cache of one stage: the ``k`` most probable tokens of each position of its first ``samples`` samples."""

    folder: Path
    teacher: Origin
    tokenizer_fingerprint: str
    vocab_size: PositiveInt
    k: PositiveInt
    temperature: PositiveFloat
    sequence_length: PositiveInt
    samples: PositiveInt
    samples_per_shard: PositiveInt
    dtype: str
    """Number format of the teacher's weights and activations."""
    data: dict[str, Any]
    """Everything on which the tokens of a sample depend."""

    @staticmethod
    def read(folder: Path) -> TeacherCache:
        """Raises CheckpointError if ``folder`` is not the cache of a stage, or is damaged."""
        path = folder / DESCRIPTION
        if not path.is_file():
            raise CheckpointError(f"{folder}: has no {DESCRIPTION}; {REMEDY}", rule="missing-cache")
        content = read_json(path, error=CheckpointError)
        written = content.pop("format", None) if isinstance(content, dict) else None
        if written != FORMAT:
            message = (
                f"{path}: its format is {written!r}, not {FORMAT!r}; delete {folder}, then {REMEDY} again"
            )
            raise CheckpointError(message, rule="unknown-format")
        try:
            return TypeAdapter(TeacherCache).validate_python({**content, "folder": folder})
        except ValidationError as error:
            problems = [
                Problem(
                    str(path),
                    ".".join(map(str, item["loc"])),
                    f"{in_plain_words(item['msg'])}; {REMEDY} again",
                    "damaged-cache",
                )
                for item in error.errors()
            ]
            raise CheckpointError(problems) from None

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {name: value for name, value in dataclasses.asdict(self).items() if name != "folder"}
        write_json(self.folder / DESCRIPTION, {"format": FORMAT, **content})

    # --- records -----------------------------------------------------------------------------------------

    @property
    def ids(self) -> Packed:
        """A position's ids, most probable first, each in as many bits as the vocabulary needs."""
        return Packed(self.k, (self.vocab_size - 1).bit_length())

    @property
    def magnitudes(self) -> PackedAscending:
        """A position's log-probabilities in float16 without their sign."""
        return PackedAscending(self.k, INFINITY + 1)

    @property
    def bytes_per_token(self) -> int:
        """Ids and log-probabilities of the k tokens, and the log-probability of all others together."""
        return self.ids.row_bytes + self.magnitudes.row_bytes + VALUE_BYTES

    @property
    def record_bytes(self) -> int:
        """A sample: the hash of its tokens, that of what follows, and ``bytes_per_token`` of each position."""
        return 2 * HASH_BYTES + self.sequence_length * self.bytes_per_token

    @property
    def shards(self) -> int:
        return -(-self.samples // self.samples_per_shard)

    def samples_of(self, shard: int) -> range:
        first = shard * self.samples_per_shard
        return range(first, min(first + self.samples_per_shard, self.samples))

    def path_of(self, shard: int) -> Path:
        return self.folder / f"shard_{shard:08d}.bin"

    def is_finished(self, shard: int) -> bool:
        path = self.path_of(shard)
        return path.is_file() and path.stat().st_size == len(self.samples_of(shard)) * self.record_bytes

    def write_shard(self, shard: int, records: Iterator[tuple[bytes, bytes]]) -> None:
        """Writes pairs of the hash of the tokens and the content of each sample of a shard, which appears whole.

        Raises DataError if it cannot be written, such as to a full disk.
        """
        path, count = self.path_of(shard), 0
        try:
            with atomic_file(path) as file:
                for tokens, content in records:
                    file.write(tokens + short_hash(content) + content)
                    count += 1
        except OSError as error:
            free = shutil.disk_usage(self.folder).free / 2**30
            message = (
                f"{path}: cannot be written ({error.strerror}), {free:.1f} GiB are free there; free some space, then start the command "
                "again, which continues"
            )
            raise DataError(message, rule="cache-not-written") from error
        assert count == len(self.samples_of(shard))

    def remove_leftovers(self) -> None:
        """Removes unfinished shards of a killed command."""
        for path in self.folder.glob(".shard_*.tmp"):
            path.unlink(missing_ok=True)

    def read_sample(self, sample: int, tokens: bytes) -> bytes:
        """The ids and log-probabilities of a sample whose tokens have this hash.

        Raises DataError if the sample has other tokens than when the cache was written, or if the record is damaged.
        """
        path = self.path_of(sample // self.samples_per_shard)
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}); {REMEDY} again"
            raise DataError(message, rule="missing-shard") from None
        try:
            record = os.pread(file, self.record_bytes, sample % self.samples_per_shard * self.record_bytes)
        finally:
            os.close(file)
        content = record[2 * HASH_BYTES :]
        if len(record) != self.record_bytes or record[HASH_BYTES : 2 * HASH_BYTES] != short_hash(content):
            message = (
                f"{path}: the record of sample {sample:,} is damaged; delete the file, and {REMEDY} again"
            )
            raise DataError(message, rule="damaged-cache")
        if record[:HASH_BYTES] != tokens:
            message = (
                f"{path}: sample {sample:,} of the run has other tokens than in the cache, whose data or order was another; {REMEDY} "
                "for this run"
            )
            raise DataError(message, rule="cache-of-other-data")
        return content


def short_hash(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()


def stage_folder(cache: str, stage: int) -> Path:
    return Path(cache).expanduser() / f"stage_{stage}"


def data_of(
    config: Config, manifest: Manifest, manifest_hash: str, stage: int, samples: int, earlier: list[Config]
) -> dict[str, Any]:
    """Everything on which the tokens of a stage's samples depend, as JSON. ``config`` is that of the stage, which has ``samples``;
    ``earlier`` are those of the stages before."""
    data = config.data
    fill_in = data.fill_in_the_middle
    is_windows = data.order == "windows"
    return {
        "manifest": manifest_hash,
        "stage": stage,
        "seed": config.run.seed,
        "order": data.order,
        "mixture": data.mixture or dict(manifest.mixture),
        "mixture_end": data.mixture_end,
        # the order of a whole stage depends on its length there, and on the positions of the sets where it begins here
        "samples": samples if not is_windows or data.mixture_end else None,
        "earlier_stages": [_draws_of(stage, manifest) for stage in earlier] if is_windows else [],
        "packing": dataclasses.asdict(data.packing),
        "fill_in_the_middle": dataclasses.asdict(fill_in) if fill_in else None,
    }


def _draws_of(config: Config, manifest: Manifest) -> dict[str, Any]:
    """What a stage takes of each set, as far as later stages depend on it."""
    training, data = config.training, config.data
    return {
        "samples": (training.steps or 0) * training.global_batch_size,
        "sequence_length": training.sequence_length,
        "mixture": data.mixture or dict(manifest.mixture),
        "mixture_end": data.mixture_end,
    }


def describe_cache(
    config: Config, settings: DistillationConfig, data: dict[str, Any], teacher: Origin, *, manifest: Manifest,
    vocab_size: int, samples: NonNegativeInt, stage: int, writers: int,
) -> TeacherCache:  # fmt: skip
    """The cache that a stage needs. Shards hold whole micro-batches, and few enough that each of the data-parallel ranks that write it has
    one."""
    assert settings.cache is not None and isinstance(settings.loss, TopK)
    cache = TeacherCache(
        folder=stage_folder(settings.cache, stage),
        teacher=teacher,
        tokenizer_fingerprint=manifest.tokenizer_fingerprint,
        vocab_size=vocab_size,
        k=settings.loss.k,
        temperature=settings.temperature,
        sequence_length=config.training.sequence_length,
        samples=samples,
        samples_per_shard=1,
        dtype="fp8" if settings.teacher_fp8 else config.precision.dtype,
        data=data,
    )
    batch, length = config.training.micro_batch_size, config.training.sequence_length
    most = min(SHARD_BYTES // cache.record_bytes, SHARD_TOKENS // length) // batch
    share = -(-samples // (batch * writers))
    return dataclasses.replace(cache, samples_per_shard=batch * max(1, min(most, share)))


def continuation_problems(cache: TeacherCache, wanted: TeacherCache, path: str) -> Iterator[Found]:
    """``cache_problems`` of a cache whose missing shards are to be written, which also have the same number format."""
    remedy = f"delete {cache.folder}, or name another folder"
    found = list(cache_problems(cache, wanted, path, remedy))
    yield from (problem for problem in found if problem[2] != "unfinished-cache")
    if cache.dtype != wanted.dtype and any(problem[2] == "unfinished-cache" for problem in found):
        message = f"{cache.folder}: was begun in {cache.dtype}, but precision.dtype or teacher_fp8 are now {wanted.dtype}; restore them, or {remedy}"
        yield path, message, "other-cache"


def cache_problems(
    cache: TeacherCache,
    wanted: TeacherCache,
    path: str,
    remedy: str = "name another folder, which 'mko distill cache' writes for this run",
) -> Iterator[Found]:
    """``(path, message, rule)`` for everything in which a cache is not the one that a stage needs; of ``wanted``, the teacher's hash
    may be empty (not compared)."""
    for name in ("tokenizer_fingerprint", "vocab_size", "temperature", "sequence_length"):
        theirs, ours = getattr(cache, name), getattr(wanted, name)
        if theirs != ours:
            yield (
                path,
                f"{cache.folder}: {name} is {theirs} in the cache but {ours} in the run; {remedy}",
                "other-cache",
            )
    if cache.k < wanted.k:
        message = f"{cache.folder}: has {cache.k} tokens of each position, but the loss needs {wanted.k}; lower k, or {remedy}"
        yield path, message, "other-cache"
    for name, ours in wanted.data.items():
        theirs = cache.data.get(name)
        if theirs != ours:
            if name == "manifest":
                theirs, ours = (f"a file with the SHA-256 {str(value)[:12]}" for value in (theirs, ours))
            message = f"{cache.folder}: data.{name} was {theirs} when it was written but is {ours} in the run; {remedy}"
            yield path, message, "cache-of-other-data"
    if wanted.teacher.hash and cache.teacher.hash != wanted.teacher.hash:
        message = (
            f"{cache.folder}: is of the teacher {cache.teacher.folder} (step {cache.teacher.step:,}, {cache.teacher.hash}), but "
            f"the run names {wanted.teacher.folder} ({wanted.teacher.hash}); {remedy}"
        )
        yield path, message, "cache-of-other-teacher"
    if cache.samples < wanted.samples:
        message = (
            f"{cache.folder}: has {cache.samples:,} samples, but the stage needs {wanted.samples:,}; {remedy}"
        )
        yield path, message, "cache-too-short"
    missing = [shard for shard in range(cache.shards) if not cache.is_finished(shard)]
    if missing:
        message = (
            f"{cache.folder}: {len(missing):,} of {cache.shards:,} shards are missing ({cache.path_of(missing[0]).name}); start "
            "'mko distill cache' again, which continues"
        )
        yield path, message, "unfinished-cache"
