"""Training batches, in our order or that of megatron-core's datasets, and validation windows that predict each token once.

Owns every use of the Megatron datasets and the choice of the order (``data.order``). Sample number n is the same for any number
of ranks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.training import Config
from megatron_ko.formats.data_record import SetPosition
from megatron_ko.formats.manifest import Manifest, TokenSet
from megatron_ko.formats.teacher_cache import TeacherCache
from megatron_ko.planning.batch_ramp import batch_size_at, samples_of
from megatron_ko.planning.fill_in_the_middle import fill_in_of
from megatron_ko.planning.mixing import Mixing
from megatron_ko.planning.position import Position
from megatron_ko.planning.run_plan import mixture_of
from megatron_ko.planning.stages import Stage
from megatron_ko.training import liveness
from megatron_ko.training.cached_targets import CachedTargets
from megatron_ko.training.distributed import World, context_group
from megatron_ko.training.documents import STARTS, PackedSamples, Packing
from megatron_ko.training.soft_targets import IDS, LOG_PROBABILITIES
from megatron_ko.training.window_samples import WindowSamples

log = logging.getLogger(__name__)
Batch = dict[str, Tensor]
# A weighted blend can draw slightly more than its share of a set; spare samples keep short runs from running out.
SPARE_SAMPLES = 8
MARKER = "complete"  # in the folder of the index, written last


@dataclass(frozen=True)
class _TokenizerFacts:
    """The attributes of a tokenizer that GPTDataset reads."""

    eod: int
    vocab_size: int
    unique_identifiers: dict[str, str]
    pad: int = -1


class SampleOrder(Protocol):
    """The samples of a run by number: which token files, and which of their documents, each comes from."""

    @property
    def dataset(self) -> Any:
        """Map from the number of a sample to ``tokens``, ``labels``, ``loss_mask`` and ``position_ids``, each [S]."""
        ...

    def count(self, first: int, last: int) -> dict[str, int]: ...
    def documents(self, first: int, last: int) -> dict[str, list[int]]: ...
    def joints(self, sample: int) -> list[int]: ...
    def counters_after(self, last: int) -> dict[str, SetPosition]: ...


@dataclass(frozen=True)
class MegatronOrder:
    """The order of megatron-core's datasets (``data.order: megatron``), for parity with Megatron-LM."""

    dataset: Any
    """megatron-core's blend; of a single pair of token files, the data set of that pair."""
    set_names: tuple[str, ...]
    """Set of each pair, in the order of the blend."""

    def count(self, first: int, last: int) -> dict[str, int]:
        """Samples of each set among the numbers ``first`` to ``last`` (exclusive)."""
        if len(self.set_names) == 1:
            return {self.set_names[0]: last - first}
        counts = np.bincount(self.dataset.dataset_index[first:last], minlength=len(self.set_names))
        return {
            name: int(sum(count for other, count in zip(self.set_names, counts) if other == name))
            for name in dict.fromkeys(self.set_names)
        }

    def documents(self, first: int, last: int) -> dict[str, list[int]]:
        """Documents in the samples ``first`` to ``last`` (exclusive), by the path of the token files without suffix."""
        found: dict[str, set[int]] = {}
        for number in range(first, last):
            part, own_number = self.dataset, number
            if len(self.set_names) > 1:
                part = self.dataset.datasets[self.dataset.dataset_index[number]]
                own_number = self.dataset.dataset_sample_index[number]
            ids = part._query_document_sample_shuffle_indices(own_number)[1]
            found.setdefault(str(part.dataset_path), set()).update(map(int, ids))
        return {path: sorted(ids) for path, ids in sorted(found.items())}

    def joints(self, sample: int) -> list[int]:
        """None: a sample is one stream of documents."""
        return []

    def counters_after(self, last: int) -> dict[str, SetPosition]:
        """Nothing: the number of samples of the run is the position."""
        return {}


@liveness.working()
def order_of_stage(
    stage: Stage,
    position: Position,
    manifest: Manifest,
    begin: Mapping[str, SetPosition],
    *,
    cache: Path,
) -> tuple[SampleOrder, int]:
    """The order of a stage's samples, numbered from its beginning, and their number at its end. Collective.

    ``begin`` contains the positions of the sets at ``position``. The order ``megatron`` has a seed for each stage instead.
    """
    config, done = stage.config, position.stage_samples
    end = done + samples_of(config.training, done, stage.steps - position.stage_step)
    if config.data.order == "megatron":
        config = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=stage.seed))
    order = order_samples(done, end, config, manifest, begin, cache=cache, stage=stage.number)
    return order, end


def order_samples(
    first: int,
    total: int,
    config: Config,
    manifest: Manifest,
    begin: Mapping[str, SetPosition],
    *,
    cache: Path,
    stage: int = 0,
) -> SampleOrder:
    """The samples ``first`` to ``total`` of the run, or of one stage of it, whose sets are at ``begin``. Collective."""
    mixture = mixture_of(config.data, manifest.mixture)
    if config.data.order == "windows":
        packing = config.data.packing
        draws = total * packing.stretches
        return WindowSamples(
            manifest,
            Mixing(mixture, config.data.mixture_end, draws, seed=config.run.seed, stage=stage),
            seed=config.run.seed,
            sequence_length=config.training.sequence_length,
            first=first,
            begin=begin,
            stretches=packing.stretches,
            set_changes=packing.set_changes,
            fill_in=fill_in_of(config.data, manifest, config.run.seed),
        )
    dataset = build_training_data(
        manifest,
        mixture,
        samples=total,
        sequence_length=config.training.sequence_length,
        seed=config.run.seed,
        cache=cache,
    )
    sets = manifest.of_split("train")
    return MegatronOrder(dataset, tuple(name for name in mixture for _ in sets[name].pairs))


def batches_between(
    consumed: int,
    total: int,
    order: SampleOrder,
    config: Config,
    world: World,
    eod: int,
    cache: TeacherCache | None = None,
) -> Iterator[Batch]:
    """This rank's micro-batches of the samples ``consumed`` to ``total`` of the run, with the targets of ``cache``."""
    if consumed >= total:
        return iter(())
    training = config.training
    samples = samples_of_order(order, config, eod)
    return training_batches(
        CachedTargets(samples, cache) if cache else samples,
        world,
        consumed=consumed,
        total=total,
        batch_size=partial(batch_size_at, training),
        micro_batch=training.micro_batch_size,
        workers=config.data.workers,
    )


def samples_of_order(order: SampleOrder, config: Config, eod: int) -> Any:
    """The samples by number, completed by ``data.packing``."""
    packing = Packing.of(config.data.packing, eod)
    return PackedSamples(order, packing) if packing else order.dataset


def build_training_data(
    manifest: Manifest,
    mixture: dict[str, float],
    *,
    samples: int,
    sequence_length: int,
    seed: int,
    cache: Path,
) -> Any:
    """Map-style dataset of ``samples`` samples, each ``tokens`` and ``labels`` [S]. Collective: rank 0 builds the index."""
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig

    train = manifest.of_split("train")
    blend = blend_of(train, mixture)
    content = hashlib.sha256(manifest.path.read_bytes()).hexdigest()[:16]
    folder = cache / f"{content}-{samples}-{seed}-{sequence_length}"
    _remove_incomplete(folder)
    spare = max(0.005, SPARE_SAMPLES / samples / min(blend.values()))
    facts: Any = _TokenizerFacts(
        manifest.eod_id, manifest.vocab_size, {"fingerprint": manifest.tokenizer_fingerprint}
    )
    config = GPTDatasetConfig(
        random_seed=seed,
        sequence_length=sequence_length,
        blend_per_split=[(list(blend), list(blend.values())), None, None],
        path_to_cache=str(folder),  # megatron-core's cache key does not include the content
        tokenizer=facts,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
        mid_level_dataset_surplus=spare,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build()
    if dist.get_rank() == 0:
        (folder / MARKER).touch()
    return datasets[0]


def blend_of(sets: dict[str, TokenSet], mixture: dict[str, float]) -> dict[str, float]:
    """Share of each pair by prefix: a set's share is divided among its pairs in proportion to their tokens."""
    return {
        str(pair.prefix): share if len(sets[name].pairs) == 1 else share * pair.tokens / sets[name].tokens
        for name, share in mixture.items()
        for pair in sets[name].pairs
    }


def _remove_incomplete(folder: Path) -> None:
    """Removes an index without our marker, whose build was interrupted: megatron-core would trust it. Collective."""
    if dist.get_rank() == 0 and folder.exists() and not (folder / MARKER).exists():
        shutil.rmtree(folder)
    dist.barrier()


def warn_if_order_changes(before: dict[str, Any], now: dict[str, Any], *, data_is_compared: bool) -> None:
    """Warns if two configurations order samples differently: megatron-core's order depends on a run's length, mixture and seed.

    In the order ``windows`` only the seed counts. Data and mixture are left out where the record of the checkpoint was compared.
    """
    fields = _ORDER if data_is_compared else (*_ORDER, *_DATA)
    for section, name in _ORDER[:1] if now["data"]["order"] == "windows" else fields:
        then, current = before.get(section, {}).get(name), now[section][name]
        if then != current:
            log.warning(
                "%s.%s changed from %s to %s: samples come in another order from here on, some may repeat",
                section, name, then, current,
            )  # fmt: skip


_ORDER = (
    ("run", "seed"), ("training", "steps"), ("training", "global_batch_size"), ("training", "batch_ramp"),
    ("training", "sequence_length"),
)  # fmt: skip
_DATA = (("data", "manifest"), ("data", "mixture"))


class _MicroBatchSampler(torch.utils.data.Sampler):
    """Yields sample numbers of one data-parallel rank's micro-batches, from ``consumed`` to ``total``."""

    def __init__(
        self,
        consumed: int,
        total: int,
        batch_size: Callable[[int], int],
        micro_batch: int,
        rank: int,
        size: int,
    ) -> None:
        """``batch_size`` gives the size of the step that starts after a number of samples."""
        self.consumed, self.total, self.batch_size = consumed, total, batch_size
        self.micro_batch, self.rank, self.size = micro_batch, rank, size

    def __iter__(self) -> Iterator[list[int]]:
        step = self.consumed
        while step < self.total:
            end = step + self.batch_size(step)
            for first in range(step, end, self.micro_batch * self.size):
                mine = first + self.rank * self.micro_batch
                yield list(range(mine, mine + self.micro_batch))
            step = end


def training_batches(
    dataset: Any,
    world: World,
    *,
    consumed: int,
    total: int,
    batch_size: Callable[[int], int],
    micro_batch: int,
    workers: int,
) -> Iterator[Batch]:
    """This rank's micro-batches up to the end of the run: ``tokens`` and ``labels`` [B, S] int64."""
    sampler = _MicroBatchSampler(consumed, total, batch_size, micro_batch, world.data_rank, world.data_size)
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=world.device.type == "cuda",
        persistent_workers=workers > 0,
        worker_init_fn=_leave_process_group,
        generator=torch.Generator(),  # the default generator has just been restored by a resumed run
    )
    for batch in loader:
        yield on_device(batch, world)


def _leave_process_group(worker: int) -> None:
    """Keeps signals to the rank's process group from this worker of a loader, which would die before the rank can save.

    torchrun signals the group of each rank, a terminal that of the whole program.
    """
    os.setpgid(0, 0)


def on_device(batch: Batch, world: World) -> Batch:
    """The micro-batch on the device of this rank; under context parallelism, the part of this rank."""
    names = ("tokens", "labels", "loss_mask", "position_ids", IDS, LOG_PROBABILITIES)
    names = tuple(name for name in names if name in batch)
    moved = {name: batch[name].to(world.device, non_blocking=True) for name in names}
    starts = {STARTS: batch[STARTS]} if STARTS in batch else {}
    if world.context_size == 1:
        return moved | starts  # read by the host
    moved |= {name: tensor.to(world.device) for name, tensor in starts.items()}
    from megatron.core.utils import get_batch_on_this_cp_rank as part_of_this_rank

    # megatron-core 0.19 requires the argument, 0.16 does not have it: context groups that differ by sequence
    takes_hybrid = "is_hybrid_cp" in inspect.signature(part_of_this_rank).parameters
    more: dict[str, Any] = {"is_hybrid_cp": False} if takes_hybrid else {}
    # without cp_group, 0.19 uses the global rank as the rank in the group
    return part_of_this_rank(moved, cp_group=context_group(), **more)


def validation_batches(
    tokens: TokenSet,
    world: World,
    *,
    sequence_length: int,
    micro_batch: int,
    max_sequences: int | None,
    packing: Packing | None = None,
) -> tuple[int, Iterator[Batch]]:
    """Number of micro-batches (equal on all ranks) and this rank's micro-batches; predicts each token of the set once.

    All pairs of the set form one stream of documents separated by EOD, cut into windows. Positions after the last token,
    and whole windows that only balance the ranks, have a loss mask of 0.
    """
    stream = _Stream(tokens)
    windows = max(1, -(-(len(stream) - 1) // sequence_length))
    if max_sequences is not None:
        windows = min(windows, max_sequences)
    count = -(-windows // (micro_batch * world.data_size))

    def batches() -> Iterator[Batch]:
        for index in range(count):
            first = (index * world.data_size + world.data_rank) * micro_batch
            rows = [
                _window(stream, row, windows, sequence_length) for row in range(first, first + micro_batch)
            ]
            rows = [packing.complete(row) for row in rows] if packing else rows
            batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
            yield on_device(batch, world)

    return count, batches()


class _Stream:
    """Tokens of a set, pair after pair; slices are read on demand."""

    def __init__(self, tokens: TokenSet) -> None:
        self._parts = [np.memmap(f"{pair.prefix}.bin", dtype=tokens.dtype, mode="r") for pair in tokens.pairs]
        self._ends = np.cumsum([len(part) for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, span: slice) -> np.ndarray:
        start, stop, _ = span.indices(len(self))
        slices = []
        for part, end in zip(self._parts, self._ends.tolist()):
            begin = end - len(part)
            slices.append(part[max(start - begin, 0) : max(stop - begin, 0)])
        return slices[0] if len(slices) == 1 else np.concatenate(slices)


def _window(stream: np.ndarray | _Stream, row: int, windows: int, sequence_length: int) -> Batch:
    start = row * sequence_length
    tokens = stream[start : start + sequence_length + 1] if row < windows else stream[:0]
    predicted = max(0, len(tokens) - 1)
    padded = np.zeros(sequence_length + 1, dtype=np.int64)
    padded[: len(tokens)] = tokens
    mask = torch.zeros(sequence_length)
    mask[:predicted] = 1.0
    return {
        "tokens": torch.from_numpy(padded[:-1].copy()),
        "labels": torch.from_numpy(padded[1:].copy()),
        "loss_mask": mask,
        "position_ids": torch.arange(sequence_length),
    }
