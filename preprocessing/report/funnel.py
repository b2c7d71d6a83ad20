"""Document counts from raw to training text: ``funnel.json`` and its table.

Owns the conversion of the steps' summaries into one account per source; every document read is either in the corpus,
dropped for a counted reason, or a bad record.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.tables import format_table
from preprocessing.documents import Counts

STEPS = ("clean", "lines", "filter", "deduplicate", "balance")


def funnel_of(summaries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Data of ``funnel.json``. ``summaries``: summary of each finished step, from its marker."""
    sources: dict[str, Counts] = {}
    langs: dict[str, list[str]] = {}
    steps = []
    everything = Counts()
    for step in (name for name in STEPS if name in summaries):
        step_sources = summaries[step]["sources"]
        if step == "clean":
            counts = {name: Counts.from_json(entry["counts"]) for name, entry in step_sources.items()}
            langs = {name: entry["langs"] for name, entry in step_sources.items()}
            sources = {name: Counts(c.documents_in, c.bytes_in, c.bad_records) for name, c in counts.items()}
            steps.append(_step("read", [(c.documents_in, c.bytes_in) for c in counts.values()]))
        else:
            counts = {name: Counts.from_json(entry) for name, entry in step_sources.items()}
        for name, total in sources.items():
            _add_step(total, counts.get(name, Counts()))
            everything.add(Counts(examples=counts.get(name, Counts()).examples))
        steps.append(_step(step, [(c.documents_out, c.bytes_out) for c in sources.values()]))
    return {
        "sources": [_source(name, langs[name], counts) for name, counts in sources.items()],
        "steps": steps,
        "domains": _domains(summaries),
        "examples": everything.examples,
    }


def _add_step(total: Counts, step: Counts) -> None:
    """Adds a step's counts of a source to its total; a source missing from a step has no documents left."""
    for field in ("changed", "dropped", "masked"):
        getattr(total, field).update(getattr(step, field))
    total.documents_out, total.bytes_out = step.documents_out, step.bytes_out


def _step(name: str, sizes: list[tuple[int, int]]) -> dict[str, Any]:
    return {"name": name, "documents": sum(d for d, _ in sizes), "bytes": sum(b for _, b in sizes)}


def _source(name: str, langs: list[str], counts: Counts) -> dict[str, Any]:
    data = counts.to_json()
    order = (
        "documents_in",
        "bytes_in",
        "bad_records",
        "changed",
        "dropped",
        "masked",
        "documents_out",
        "bytes_out",
    )
    return {"name": name, "lang": "+".join(langs), **{key: data[key] for key in order}}


def _domains(summaries: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    tokens = {(e["name"], e["split"]): e["tokens"] for e in summaries.get("encode", {}).get("sets", ())}
    entries = summaries.get("balance", {}).get("domains", ())
    return [{**entry, "tokens": tokens.get((entry["name"], entry["split"]))} for entry in entries]


# --- table -----------------------------------------------------------------------------------------------


def to_table(funnel: dict[str, Any], mixture: dict[str, float], epochs: dict[str, float]) -> str:
    """Table for the end of a run."""
    rows: list[tuple[str, ...]] = [
        ("source", "lang", "read", "bad", "dropped", "masked", "kept", "MB", "why dropped")
    ]
    for source in funnel["sources"]:
        dropped = source["dropped"]
        why = ", ".join(
            f"{name} {n:,}" for name, n in sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
        )
        numbers = (
            source["documents_in"],
            source["bad_records"],
            sum(dropped.values()),
            sum(source["masked"].values()),
        )
        cells = [f"{n:,}" for n in (*numbers, source["documents_out"])]
        rows.append((source["name"], source["lang"], *cells, f"{source['bytes_out'] / 1e6:.2f}", why))
    steps: list[tuple[str, ...]] = [("step", "documents", "MB")]
    steps += [
        (step["name"], f"{step['documents']:,}", f"{step['bytes'] / 1e6:.2f}") for step in funnel["steps"]
    ]
    domains: list[tuple[str, ...]] = [
        ("domain", "split", "documents", "MB", "tokens", "bytes/token", "share", "epochs")
    ]
    for entry in funnel["domains"]:
        tokens, train = entry["tokens"], entry["split"] == "train"
        ratio = f"{entry['bytes'] / tokens:.2f}" if tokens else "-"
        share = f"{mixture[entry['name']]:.3f}" if train and entry["name"] in mixture else ""
        passes = f"{epochs[entry['name']]:.2f}" if train and entry["name"] in epochs else ""
        sizes = (f"{entry['documents']:,}", f"{entry['bytes'] / 1e6:.2f}", f"{tokens:,}" if tokens else "-")
        domains.append((entry["name"], entry["split"], *sizes, ratio, share, passes))
    if not any(row[-1] for row in domains[1:]):  # without balance.token_budget
        domains = [row[:-1] for row in domains]
    tables = [format_table(rows, 2, sentences=True), format_table(steps)]
    tables += [format_table(domains, 2)] if domains[1:] else []
    return "\n\n".join("\n".join(table) for table in tables)
