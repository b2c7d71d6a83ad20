"""The pass of a teacher over the samples of a stage, and the shards of its cache.

Owns the division of shards among data-parallel ranks: each takes every n-th missing one, and needs no other. ``formats/teacher_cache.py``
owns the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.training import Config
from megatron_ko.formats.teacher_cache import TeacherCache
from megatron_ko.training import data
from megatron_ko.training.cached_targets import encode, hash_of_tokens
from megatron_ko.training.distributed import World, barrier, tensor_group
from megatron_ko.training.losses import call_model
from megatron_ko.training.soft_targets import select_targets


def missing_shards(cache: TeacherCache) -> list[int]:
    """The shards that are not finished, as rank 0 sees them. Collective."""
    found = [[shard for shard in range(cache.shards) if not cache.is_finished(shard)]]
    dist.broadcast_object_list(found, src=0)
    return found[0]


def write_shards(
    teacher: Any,
    cache: TeacherCache,
    config: Config,
    samples: Any,
    world: World,
    report: Callable[[int], None],
) -> None:
    """Writes the missing shards, this data-parallel rank its own; ``report`` gets the number of samples of each that it has written.

    ``samples`` are those of the stage by number, ``config`` its configuration. Collective: ranks meet after each shard, because at
    the end the fastest could wait for longer than ``run.timeout_s``.
    """
    writes = world.is_last_stage and dist.get_rank(tensor_group()) == 0
    missing = missing_shards(cache)
    for first in range(0, len(missing), world.data_size):
        for shard in missing[first : first + world.data_size][world.data_rank : world.data_rank + 1]:
            records = _records(teacher, cache, config, samples, world, cache.samples_of(shard))
            if writes:
                cache.write_shard(shard, records)
            else:
                for _ in records:
                    pass
            report(len(cache.samples_of(shard)))
        barrier(world.device)


def _records(
    teacher: Any, cache: TeacherCache, config: Config, samples: Any, world: World, numbers: range
) -> Iterator[tuple[bytes, bytes]]:
    """Hash of the tokens and content of each record on the last pipeline stage; empty contents on the others.

    The last micro-batch is filled up with copies, so that every one is computed like in training.
    """
    size = config.training.micro_batch_size
    for first in range(numbers.start, numbers.stop, size):
        rows = [samples[min(first + place, numbers.stop - 1)] for place in range(size)]
        batch = torch.utils.data.default_collate(rows)  # as training does
        targets = _forward(teacher, data.on_device(batch, world), cache, config)
        for place in range(min(size, numbers.stop - first)):
            if targets is None:
                yield b"", b""
                continue
            ids, values = (part[:, place].cpu() for part in targets)
            yield hash_of_tokens(rows[place]), encode(ids, values, cache)


@torch.no_grad()
def _forward(
    teacher: Any, batch: data.Batch, cache: TeacherCache, config: Config
) -> tuple[Tensor, Tensor] | None:
    """Ids [S, B, k] and log-probabilities [S, B, k + 1] of a micro-batch on the last pipeline stage, None on the others. Collective."""
    from megatron.core.pipeline_parallel import get_forward_backward_func

    settings = config.distillation
    assert settings is not None

    def forward_step(batches: Iterator[data.Batch], model: Any) -> tuple[Tensor, Any]:
        return call_model(model, next(batches)), partial(collect, model)

    def collect(model: Any, logits: Tensor) -> tuple[Tensor, Tensor, dict[str, Any]]:
        chosen = select_targets(
            logits, model.real_vocab_size, cache.k, settings.temperature, settings.chunk_length
        )
        none = logits.new_zeros((), dtype=torch.float32)
        return none, none.int(), {"targets": (chosen.ids, chosen.log_probabilities)}

    outputs = get_forward_backward_func()(
        forward_step_func=forward_step,
        data_iterator=iter([batch]),
        model=[teacher],
        num_microbatches=1,
        seq_length=config.training.sequence_length,
        micro_batch_size=config.training.micro_batch_size,
        forward_only=True,
    )
    return outputs[0]["targets"] if outputs else None
