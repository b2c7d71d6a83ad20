"""Step ``balance``: writes the corpus, ``clean/DOMAIN_SPLIT-NNNNN.parquet``.

Owns the order of its tasks: columns of each unit (``corpus_plan``), one plan for all documents, then each file of the
corpus separately from the units it covers (``corpus_files``). No result depends on the number of workers. The plan takes
65 bytes of memory per document; the other tasks take the columns of a unit or a row group.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.errors import DataError
from preprocessing.config.mixture import DomainConfig
from preprocessing.config.pipeline import source_of
from preprocessing.corpus.corpus_files import write_corpus_shard, write_dropped
from preprocessing.corpus.corpus_plan import PLAN, STEP, gather, make_plan
from preprocessing.corpus.reading import shard_path
from preprocessing.documents import Counts
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.running.markers import Marker

VERSION = 1
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""


def run(context: Context) -> Outcome:
    """Writes the corpus. Raises DataError if a domain has no training document."""
    domains = context.as_data(context.config.domains)
    membership = [[name, domains[name]["sources"], domains[name]["langs"]] for name in domains]
    rehydrate = sorted(context.config.balance.rehydrate.items())
    units = context.units
    gathered = context.finish(
        STEP,
        [
            Task(
                f"columns/{unit.name}",
                gather,
                (n,),
                [membership, rehydrate, context.config.seed, _keys(context, unit)],
            )
            for n, unit in enumerate(units)
        ],
        VERSION,
    )
    plan = context.finish(STEP, [Task(PLAN, make_plan, (), _plan_depends(context))], VERSION)[0]
    _check_domains(context, plan["shards"])
    shards = context.finish(STEP, [_shard_task(context, shard) for shard in plan["shards"]], VERSION)
    dropped = context.finish(STEP, [_dropped_task(context, n, plan) for n in range(len(units))], VERSION)
    outputs = [shard_path(context.folder, shard["file"]) for shard in plan["shards"]]
    if context.runner.leads:
        for path in (context.folder / "clean").glob("*.parquet"):
            if path not in outputs:
                path.unlink()
    shards = [{**shard, **written} for shard, written in zip(plan["shards"], shards)]
    return Outcome(
        outputs,
        {"domains": _domains(shards), "shards": shards, "sources": _sources(context, gathered, dropped)},
        shared=("domains", "shards"),
    )


def _keys(context: Context, unit: Unit) -> list[str]:
    return [context.upstream(step, unit.name) for step in ("measure", "filter", "deduplicate")]


def _plan_depends(context: Context) -> list[Any]:
    balance = context.config.balance
    caps = [[name, domain.max_bytes] for name, domain in context.config.domains.items()]
    keys = [context.upstream(STEP, f"columns/{unit.name}") for unit in context.units]
    return [caps, balance.valid_fraction, balance.shard_bytes, keys]


def _shard_task(context: Context, shard: dict[str, Any]) -> Task:
    first, last = shard["units"]
    keys = [context.upstream(context.text_step, unit.name) for unit in context.units[first:last]]
    name = f"shards/{shard['file']}"
    depends = [shard["name"], shard["split"], shard["rows"], keys]
    return Task(name, write_corpus_shard, (shard,), depends, shard["bytes"])


def _dropped_task(context: Context, number: int, plan: dict[str, Any]) -> Task:
    unit = context.units[number]
    depends = (
        [context.upstream(STEP, PLAN), context.upstream(context.text_step, unit.name)]
        if plan["dropped"][number]
        else []
    )
    return Task(f"dropped/{unit.name}", write_dropped, (number, plan["dropped"][number]), depends)


def _check_domains(context: Context, shards: list[dict[str, Any]]) -> None:
    with_documents = {shard["name"] for shard in shards if shard["split"] == "train"}
    for name, domain in context.config.domains.items():
        if name not in with_documents:
            message, rule = _why_empty(context, domain)
            raise DataError([context.loaded.problem(f"domains.{name}", message, rule)])


def _why_empty(context: Context, domain: DomainConfig) -> tuple[str, str]:
    """Message and rule for a domain without a document: its languages do not occur, or other steps dropped all."""
    sources = (Marker(context.folder, "clean").read() or {"sources": {}})["sources"]
    read = {
        lang
        for source, entry in sources.items()
        if not domain.sources or source in domain.sources
        for lang in entry["langs"]
    }
    if read and domain.langs and read.isdisjoint(domain.langs):
        wanted, found = ", ".join(domain.langs), ", ".join(sorted(read))
        message = f"no document of its sources is in one of its langs ({wanted}); they are in: {found}; change langs or remove the domain"
        return message, "langs-without-documents"
    selection = f"sources {domain.sources or 'any'}, langs {list(domain.langs) or 'any'}"
    message = (
        f"no document is left for this domain ({selection}); dropped/*.parquet has the reasons; relax the rules or remove the "
        "domain"
    )
    return message, "domain-without-documents"


# --- summaries -------------------------------------------------------------------------------------------


def _domains(shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Documents and bytes by domain and split, sorted by name."""
    totals: dict[tuple[str, str], dict[str, Any]] = {}
    for shard in shards:
        key = (shard["name"], shard["split"])
        entry = totals.setdefault(key, {"name": key[0], "split": key[1], "documents": 0, "bytes": 0})
        entry["documents"] += shard["documents"]
        entry["bytes"] += shard["bytes"]
    return [totals[key] for key in sorted(totals)]


def _sources(context: Context, gathered: list[dict], dropped: list[dict]) -> dict[str, Any]:
    sources: dict[str, Counts] = {}
    for unit, columns, removed in zip(context.units, gathered, dropped):
        source = source_of(unit.input_name, context.config.inputs[unit.input_name])
        lost = Counts.from_json(removed["counts"])
        counts = Counts(
            documents_in=columns["documents_in"], bytes_in=columns["bytes_in"], dropped=lost.dropped
        )
        counts.documents_out = columns["documents_in"] - lost.documents_in
        counts.bytes_out = columns["bytes_in"] - lost.bytes_in
        counts.examples = lost.examples
        sources.setdefault(source, Counts()).add(counts)
    return {name: counts.to_json() for name, counts in sources.items()}
