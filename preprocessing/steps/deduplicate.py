"""Step ``deduplicate``: drops exact and near duplicates among the documents that ``filter`` keeps.

Owns the tasks and their order: numbering and exact duplicates, candidate pairs per band, verified pairs per range of
documents, clusters, and the decisions of each unit. The survivor of a cluster is the document with the smallest id.

Memory of a worker: ``memory_mib`` for the data sorted or compared at a time, plus per document 20 bytes in the numbering
task and 25 bytes in the clusters task. Signatures and texts of candidates are read again, in rounds that fit into memory.
Disk: 12 bytes per document, 8 per candidate pair and band, 12 per verified pair.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.wording import format_count
from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.documents import Counts, new_shard
from preprocessing.duplicates.clusters import MEMBER, clusters_of, largest, member_tables
from preprocessing.duplicates.decisions import write_unit
from preprocessing.duplicates.exact_duplicates import exact_duplicates, near_candidates
from preprocessing.duplicates.near_duplicates import (
    Files,
    band_pairs,
    band_parts,
    blocks_of,
    pairs_between,
    verify_pairs,
)
from preprocessing.duplicates.numbering import (
    CLUSTERS,
    MIB,
    ORDER,
    STEP,
    array_path,
    load_array,
    numbering_of,
    read_numbering,
    save_array,
)
from preprocessing.running.markers import key_of
from preprocessing.running.tasks import Outcome, Task

if TYPE_CHECKING:
    from preprocessing.running.context import Context

log = logging.getLogger(__name__)
VERSION = 1
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""


def run(context: Context) -> Outcome:
    """Runs the unfinished tasks, in the order of the module docstring."""
    order = context.finish(STEP, [_order_task(context)], VERSION)[0]
    bands = _band_tasks(context, order["documents"])
    context.finish(STEP, bands, VERSION)
    blocks = _block_tasks(context, bands)
    context.finish(STEP, blocks, VERSION)
    clusters = context.finish(STEP, [_clusters_task(context, blocks)], VERSION)[0]
    sources = _by_source(context.finish(STEP, _unit_tasks(context), VERSION))
    config = context.config.deduplicate
    crowded = [cluster for cluster in clusters["largest"] if cluster["documents"] > config.max_cluster]
    alarms = [*_source_alarms(sources, config), *crowded]
    _raise_alarms(alarms, config, context.folder)
    counts = {name: of_source.to_json() for name, of_source in sources.items()}
    return Outcome([], {"sources": counts, **clusters, "alarms": alarms})


# --- tasks ------------------------------------------------------------------------------------------------


def _of_units(context: Context, *steps: str) -> list[list[str]]:
    """Content hash of every unit after each step, in the order of the units."""
    return [[context.upstream(step, unit.name) for unit in context.units] for step in steps]


def _order_task(context: Context) -> Task:
    return Task(ORDER, write_order, (), _of_units(context, "measure", "filter"))


def _band_tasks(context: Context, documents: int) -> list[Task]:
    config = context.config.deduplicate
    parts = band_parts(documents, config.memory_mib * MIB)
    read = key_of(context.upstream(STEP, ORDER), _of_units(context, "measure"))
    depends = [read, config.max_compared]
    return [
        Task(
            f"all.band_{band:02d}.{part:04d}", write_band, (band, part, parts), [*depends, band, part, parts]
        )
        for band in range(config.bands)
        for part in range(parts)
    ]


def _block_tasks(context: Context, bands: list[Task]) -> list[Task]:
    config = context.config.deduplicate
    names = [task.name for task in bands]
    ranges = blocks_of([array_path(context, name) for name in names], config.memory_mib * MIB)
    upstream = [context.upstream(STEP, name) for name in (ORDER, *names)]
    read = key_of(upstream, _of_units(context, context.text_step, "measure"))
    depends = [read, config.threshold]
    return [
        Task(f"all.pairs.{n:05d}", write_block, (f"all.pairs.{n:05d}", names, *bounds), [*depends, *bounds])
        for n, bounds in enumerate(ranges)
    ]


def _clusters_task(context: Context, blocks: list[Task]) -> Task:
    names = [task.name for task in blocks]
    upstream = [context.upstream(STEP, name) for name in (ORDER, *names)]
    return Task(CLUSTERS, write_clusters, (names,), [upstream, _of_units(context, context.text_step)])


def _unit_tasks(context: Context) -> list[Task]:
    upstream = [context.upstream(STEP, name) for name in (ORDER, CLUSTERS)]
    units = zip(*_of_units(context, context.text_step, "measure", "filter"))
    return [
        Task(unit.name, write_unit, (n,), [upstream, n, *read], unit.size)
        for n, (unit, read) in enumerate(zip(context.units, units))
    ]


def _files(context: Context) -> Files:
    signatures = [context.path("measure", unit.name, ".signatures.parquet") for unit in context.units]
    return Files(signatures, [context.documents_path(unit) for unit in context.units])


def write_order(context: Context) -> Outcome:
    """Writes the numbering, the exact duplicates, and the documents that may be near duplicates."""
    memory = context.config.deduplicate.memory_mib * MIB
    signatures = _files(context).signatures
    numbering = numbering_of([context.path("filter", unit.name) for unit in context.units], memory)
    duplicates = exact_duplicates(signatures, numbering, memory)
    near = np.concatenate([np.zeros(0, np.uint32), *near_candidates(signatures, numbering, duplicates)])
    arrays = {
        "starts": numbering.starts,
        "numbers": numbering.numbers,
        "rows": numbering.rows,
        "exact": duplicates,
        "near": near,
    }
    outputs = [save_array(array_path(context, ORDER, f".{name}"), array) for name, array in arrays.items()]
    return Outcome(outputs, {"documents": len(numbering.rows)})


def write_band(context: Context, band: int, part: int, parts: int) -> Outcome:
    near = load_array(array_path(context, ORDER, ".near"))
    config: DeduplicateConfig = context.config.deduplicate
    pairs = band_pairs(_files(context).signatures, near, band, part, parts, config.max_compared)
    return Outcome(
        [save_array(array_path(context, f"all.band_{band:02d}.{part:04d}"), pairs)], {"pairs": len(pairs)}
    )


def write_block(context: Context, name: str, bands: list[str], first: int, last: int) -> Outcome:
    config: DeduplicateConfig = context.config.deduplicate
    pairs = pairs_between([array_path(context, band) for band in bands], first, last)
    verified = verify_pairs(
        pairs, _files(context), read_numbering(context), config.threshold, config.memory_mib * MIB
    )
    return Outcome(
        [save_array(array_path(context, name), verified)],
        {"candidates": len(pairs), "duplicates": len(verified)},
    )


def write_clusters(context: Context, blocks: list[str]) -> Outcome:
    config: DeduplicateConfig = context.config.deduplicate
    numbering, documents = read_numbering(context), _files(context).documents
    exact = load_array(array_path(context, ORDER, ".exact"))
    clusters = clusters_of(
        len(numbering.rows), exact, (load_array(array_path(context, name)) for name in blocks)
    )
    path = context.path(STEP, CLUSTERS)
    with new_shard(path, MEMBER) as out:
        for batch in member_tables(clusters, numbering, documents, config.memory_mib * MIB):
            out.write(batch)
    members = np.flatnonzero(clusters.size > 1)
    rows = save_array(array_path(context, CLUSTERS, ".rows"), np.sort(numbering.rows[members]))
    dropped = clusters.of != np.arange(len(clusters.of))
    survivors = ~dropped & (clusters.size > 1)
    summary = {
        "exact_duplicates": len(exact),
        "near_duplicates": int(dropped.sum()) - len(exact),
        "clusters": int(survivors.sum()),
        "largest": largest(clusters, numbering, documents),
    }
    return Outcome([path, rows], summary)


# --- alarms ------------------------------------------------------------------------------------------------


def _by_source(summaries: list[dict[str, Any]]) -> dict[str, Counts]:
    sources: dict[str, Counts] = {}
    for summary in summaries:
        for name, counts in summary["sources"].items():
            sources.setdefault(name, Counts()).add(Counts.from_json(counts))
    return sources


def _source_alarms(sources: dict[str, Counts], config: DeduplicateConfig) -> list[dict[str, Any]]:
    return [
        {"source": name, "documents": counts.documents_in, "duplicates": counts.dropped.total()}
        for name, counts in sources.items()
        if counts.documents_in >= config.alarm_documents
        and counts.dropped.total() > config.alarm_share * counts.documents_in
    ]


def _raise_alarms(alarms: list[dict[str, Any]], config: DeduplicateConfig, folder: Path) -> None:
    """Logs each alarm; with ``on_alarm: stop`` raises DataError instead."""
    sentences = [_sentence(alarm, config) for alarm in alarms]
    if sentences and config.on_alarm == "stop":
        raise DataError(
            f"{'; '.join(sentences)}; check {folder / 'dropped'}/{STEP}-*.parquet; if the duplicates are genuine, set "
            "deduplicate.on_alarm to warn, or raise alarm_share or max_cluster",
            rule="duplicate-alarm",
        )
    for sentence in sentences:
        log.warning("%s; check dropped/%s-*.parquet", sentence, STEP)


def _sentence(alarm: dict[str, Any], config: DeduplicateConfig) -> str:
    if "source" in alarm:
        return (
            f"source {alarm['source']!r}: duplicates are {alarm['duplicates']:,} of {format_count(alarm['documents'], 'document')}, "
            f"more than deduplicate.alarm_share = {config.alarm_share}"
        )
    return (
        f"cluster {alarm['cluster']!r} contains {format_count(alarm['documents'], 'document')}, more than "
        f"deduplicate.max_cluster = {config.max_cluster:,}"
    )
