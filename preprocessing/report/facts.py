"""Facts for the page about the data, read from the files of a run.

Owns the choice of files: a step counts as finished if the funnel lists it and its marker exists, so that results of
different runs are never mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from preprocessing.readers.starting_folder import hint_about_folder
from preprocessing.report.columns import Columns, read_columns
from preprocessing.report.groups import Groups, read_groups
from preprocessing.report.quarantine import BadRecords, read_bad_records
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker

AGAIN = "run 'mko data run ...' first"
JUDGING = ("lines", "filter", "deduplicate", "balance")  # steps of the funnel that drop documents


@dataclass
class Facts:
    """``steps``: summaries of the finished steps that count documents, and of ``encode``; a field is None if its step is off
    or not finished. ``groups_of``: group of each domain that has one in the configuration."""

    folder: str
    funnel: dict[str, Any]
    steps: dict[str, dict[str, Any]]
    columns: Columns
    duplicates: Groups | None
    bad_records: BadRecords
    contamination: dict[str, Any] | None
    tokenizer: dict[str, Any] | None
    groups_of: dict[str, str]
    settings: Any
    """The configuration."""


def read_facts(context: Context) -> Facts:
    """Raises DataError if a step is not finished or files belong to different runs."""
    path = context.folder / "funnel.json"
    if not path.is_file():
        message = f"{path}: not found, so there is nothing to report yet; {AGAIN}"
        raise DataError(message, rule="missing-file", hint=hint_about_folder(context.loaded))
    funnel = read_json(path)
    steps = _summaries(context, funnel)
    columns = read_columns(context, steps)
    _check_same_run(context, funnel, sum(columns.documents_of.values()))
    encoded = "encode" in steps
    searched = context.config.decontaminate.enabled
    return Facts(
        folder=str(context.folder),
        funnel=funnel,
        steps=steps,
        columns=columns,
        duplicates=read_groups(context) if "deduplicate" in steps else None,
        bad_records=read_bad_records(_existing(context, "quarantine.jsonl")),
        contamination=read_json(_existing(context, "decontamination.json")) if searched else None,
        tokenizer=read_json(_existing(context, "tokenizer_report.json")) if encoded else None,
        groups_of={name: domain.group for name, domain in context.config.domains.items() if domain.group},
        settings=context.config,
    )


def _existing(context: Context, name: str) -> Path:
    path = context.folder / name
    if not path.is_file():
        raise DataError(
            f"{path}: not found, although the step that writes it is enabled; {AGAIN}", rule="missing-file"
        )
    return path


def _summaries(context: Context, funnel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    names = [step["name"] for step in funnel["steps"] if step["name"] != "read"]
    if "filter" not in names:
        raise DataError(
            f"{context.folder}: step 'filter' is not finished, so there is nothing to report yet; {AGAIN}",
            rule="step-not-finished",
        )
    if any(entry["tokens"] is not None for entry in funnel["domains"]):
        names.append("encode")
    summaries = {}
    for name in names:
        summary = Marker(context.folder, name).read()
        if summary is None:
            raise DataError(
                f"{context.folder}: funnel.json lists step {name!r}, but its results are incomplete; {AGAIN}",
                rule="step-not-finished",
            )
        summaries[name] = summary
    return summaries


def _check_same_run(context: Context, funnel: dict[str, Any], documents: int) -> None:
    """Raises DataError if the columns and the funnel belong to different runs."""
    expected = funnel["steps"][-1]["documents"]
    if documents != expected:
        raise DataError(
            f"{context.folder}: funnel.json counts {expected:,} kept documents, but the columns of this configuration "
            f"have {documents:,}: they belong to different runs; {AGAIN}",
            rule="different-runs",
        )
