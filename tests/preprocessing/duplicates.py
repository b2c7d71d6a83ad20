"""A corpus as the steps before ``deduplicate`` leave it, a context without a runner, and plain definitions."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from preprocessing.config.deduplication import DeduplicateConfig, LinesConfig
from preprocessing.documents import DOCUMENT
from preprocessing.duplicates.signatures import sign, signature_schema
from preprocessing.steps import deduplicate

WORDS = [
    "바람",
    "나무",
    "hello",
    "사람",
    "world",
    "하늘",
    "물고기",
    "데이터",
    "model",
    "학습",
    "2024",
    "train",
    "구름",
    "dream",
    "바다",
    "산책",
    "token",
]


def plain_set(text):
    """Five-word sequences in plain Python."""
    words = re.findall(r"[가-힣]+|[a-z_]+|\d+", text.lower())
    length = min(5, len(words))
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)} if words else set()


def plain_jaccard(a, b):
    a, b = plain_set(a), plain_set(b)
    return len(a & b) / len(a | b) if a | b else 0.0


def variants(seed, count=24, words=150):
    """A text and copies with more and more words replaced."""
    rng = random.Random(seed)
    base = [rng.choice(WORDS) + rng.choice("가나다라마바") for _ in range(words)]
    texts = []
    for i in range(count):
        copy = list(base)
        for _ in range(i * 2):
            copy[rng.randrange(words)] = rng.choice(WORDS) + str(rng.randrange(99))
        texts.append(" ".join(copy))
    return texts


class StandIn:
    """The part of a context that ``deduplicate`` and ``lines`` use; runs tasks at once, in order or backwards."""

    def __init__(self, folder: Path, units: list[str], backwards: bool = False, **sections):
        self.folder = folder
        self.units = [SimpleNamespace(name=name, size=0, input_name=name) for name in units]
        self.config = SimpleNamespace(seed=1, deduplicate=DeduplicateConfig(), lines=LinesConfig())
        self.config.__dict__.update(sections)
        self.text_step = "clean"
        self.backwards = backwards
        self.tasks = []

    def path(self, step, name, suffix=".parquet"):
        path = self.folder / "steps" / step / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def dropped_path(self, step, name):
        return self.folder / "dropped" / f"{step}-{name}.parquet"

    def documents_path(self, unit):
        return self.path(self.text_step, unit.name)

    def upstream(self, step, name):
        return f"{step}/{name}"

    def sections(self, *names):
        return list(names)

    def remove_others(self, step):
        pass

    def finish(self, step, tasks, version):
        names = [task.name for task in tasks]
        assert len(set(names)) == len(names)
        self.tasks += names
        order = reversed(tasks) if self.backwards else tasks
        done = {task.name: task.function(self, *task.arguments).summary for task in order}
        return [done[name] for name in names]


def write_batches(path, batches, schema, compression="zstd"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression=compression) as out:
        for batch in batches:
            out.write_batch(batch)


def documents_batch(rows):
    """``rows``: dictionaries with id and text, and source and lang where they matter."""
    columns = [
        [row["id"] for row in rows],
        [row["text"] for row in rows],
        [row.get("source", "s") for row in rows],
        [row.get("lang", "ko") for row in rows],
        ["{}"] * len(rows),
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, DOCUMENT)], schema=DOCUMENT
    )


def batched(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def write_measured(context, unit, rows, batch_rows=7):
    """Documents, sizes, signatures and the reasons of ``filter`` for one unit (``reason`` in a row drops it)."""
    batches = [documents_batch(part) for part in batched(rows, batch_rows)]
    write_batches(context.documents_path(unit), batches, DOCUMENT)
    sizes = [pa.record_batch({"bytes": pa.array([len(row["text"].encode()) for row in rows], pa.int64())})]
    write_batches(context.path("measure", unit.name), sizes, sizes[0].schema)
    config = context.config.deduplicate
    signed = [sign(batch["text"], config, context.config.seed) for batch in batches]
    path = context.path("measure", unit.name, ".signatures.parquet")
    write_batches(path, signed, signature_schema(config), "none")
    columns = {
        "id": pa.array([row["id"] for row in rows], pa.string()),
        "source": pa.array([row.get("source", "s") for row in rows], pa.string()),
        "reason": pa.array([row.get("reason") for row in rows], pa.string()),
    }
    judged = pa.record_batch(columns)
    write_batches(context.path("filter", unit.name), [judged], judged.schema)


def deduplicated(folder, rows, units=1, backwards=False, batch_rows=7, **config):
    """Runs the step; ``(decisions: one dictionary per row, outcome, context)``. ``units`` cuts the rows evenly."""
    size = -(-len(rows) // units)
    parts = batched(rows, size) if rows else [[]]
    context: Any = StandIn(
        folder,
        [f"u-{n:05d}" for n in range(len(parts))],
        backwards,
        deduplicate=DeduplicateConfig(**config),
    )
    for unit, part in zip(context.units, parts):
        write_measured(context, unit, part, batch_rows)
    outcome = deduplicate.run(context)
    tables = [pq.read_table(context.path("deduplicate", unit.name)).to_pylist() for unit in context.units]
    return list(itertools.chain(*tables)), outcome, context
