"""Reads documents of a run three times: as the reader returned them, as step ``clean`` wrote them, and after ``lines``.

The run keeps no text before cleaning, so the inputs are read again. Sources whose reader changes text (main content of
pages, files of LaTeX) are also read without that change, notebooks with their outputs.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from preprocessing.config.inputs import HtmlInput, TextInput, WarcInput, WikiDumpInput
from preprocessing.config.pipeline import source_of
from preprocessing.differences.attribution import (
    MAIN_CONTENT,
    UNEXPLAINED,
    Stage,
    clean_in_stages,
    stage_between,
)
from preprocessing.documents import read_batches
from preprocessing.markup.notebook import NOTEBOOK, convert_notebook
from preprocessing.readers.bad_records import BadRecord, RecordError
from preprocessing.readers.input_units import Unit, has_records
from preprocessing.readers.reading import prefix_id, read_unit
from preprocessing.readers.text_encodings import decode_text
from preprocessing.readers.warc import read_warc
from preprocessing.readers.whole_files import identity_of_file, markup_of_file
from preprocessing.readers.wiki_dumps import parse_page, read_pages
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.steps import clean, lines
from preprocessing.steps.text_operations import markup_of


@dataclasses.dataclass(frozen=True)
class Document:
    """One document of a run. ``unit`` and ``row`` locate it; ``read`` is the text that the reader returned, ``cleaned`` the one
    after step ``clean``, ``text`` the one after the last finished step that changes text."""

    unit: Unit
    row: int
    identity: str
    source: str
    lang: str
    markup_format: str
    read: str
    cleaned: str
    text: str
    original: str | None = None
    """The text before the reader changed it; None if it did not, or the original cannot be read."""
    reader_rule: str = ""

    @property
    def first(self) -> str:
        """The earliest text that is known."""
        return self.read if self.original is None else self.original


def finished_units(context: Context, source: str | None) -> list[Unit]:
    """Units of a source (None: of all) whose documents are written. Raises DataError if there is none."""
    units = [
        unit
        for unit in context.units
        if source in (None, source_of(unit.input_name, context.config.inputs[unit.input_name]))
    ]
    finished = [unit for unit in units if is_finished(context, clean.STEP, unit)]
    if not finished:
        raise DataError(
            f"{context.folder}: step 'clean' has not finished any file{f' of {source!r}' if source else ''}, so there is "
            "nothing to compare yet; run 'mko data clean ...'",
            rule="step-not-finished",
        )
    return finished


def is_finished(context: Context, step: str, unit: Unit) -> bool:
    """Whether a step wrote its files of the unit, for any configuration."""
    return Marker(context.folder, f"{step}/{unit.name}").read() is not None


def read_documents(context: Context, unit: Unit, rows: Sequence[int]) -> Iterator[Document]:
    """The documents of ``rows`` (increasing) of a unit. Raises DataError where the inputs are not those that the run read."""
    item = context.config.inputs[unit.input_name]
    markup = getattr(item, "markup", "none")
    read = _rows(read_unit(unit, item, _ignore, context.config.seed), rows)
    cleaned = _rows(read_batches(context.path(clean.STEP, unit.name)), rows)
    path = context.path(lines.STEP, unit.name)
    has_lines = context.config.lines.enabled and is_finished(context, lines.STEP, unit)
    rewritten = _rows(read_batches(path), rows) if has_lines else iter(lambda: None, 0)
    written = 0
    for row, before, after, last in zip(rows, read, cleaned, rewritten):
        if before["id"] != after["id"] or (last and last["id"] != after["id"]):
            raise _changed_inputs(
                context, unit, f"document {row + 1:,} is {before['id']!r}, was {after['id']!r}"
            )
        written += 1
        yield Document(
            unit, row, after["id"], after["source"], after["lang"], markup_of(markup, after["source"]),
            before["text"], after["text"], last["text"] if last else after["text"],
        )  # fmt: skip
    if written < len(rows):
        raise _changed_inputs(context, unit, f"document {rows[written] + 1:,} is missing")


def _rows(batches: Iterable[pa.RecordBatch], rows: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of these numbers; stops reading after the last of them."""
    wanted = np.asarray(rows)
    start = done = 0
    for batch in batches:
        end = int(np.searchsorted(wanted, start + batch.num_rows))
        for row in wanted[done:end]:
            yield batch.slice(int(row) - start, 1).to_pylist()[0]
        start, done = start + batch.num_rows, end
        if done == len(wanted):
            return


def _ignore(bad: BadRecord) -> None:
    """Bad records are in quarantine.jsonl."""


def _changed_inputs(context: Context, unit: Unit, detail: str) -> DataError:
    return DataError(
        f"{context.folder}: the inputs of unit {unit.name} are not those that the run read ({detail}); restore them, or run "
        "'mko data run ...' again",
        rule="inputs-changed",
    )


def stages_of(context: Context, document: Document) -> list[Stage]:
    """The changes from the first to the last text of a document; the last ones are ``unexplained`` where recomputing it gives
    another text than the run wrote."""
    stages = stage_between(document.reader_rule, document.first, document.read)
    text = document.read
    for stage in clean_in_stages(text, document.lang, document.markup_format, context.config.clean):
        stages.append(stage)
        text = stage.after
    stages += stage_between(UNEXPLAINED, text, document.cleaned)
    return [*stages, *stage_between(lines.CHANGE, document.cleaned, document.text)]


# --- texts before their reader changed them --------------------------------------------------------------


def with_originals(context: Context, documents: Sequence[Document]) -> list[Document]:
    """The documents, with the original texts of those whose reader changed them."""
    wanted: dict[str, set[str]] = {}
    units = {document.unit.name: document.unit for document in documents}
    for document in documents:
        wanted.setdefault(document.unit.name, set()).add(document.identity)
    originals = {
        (name, identity): text
        for name, chosen in wanted.items()
        for identity, text in _read_originals(context, units[name], chosen)
        if identity in chosen
    }
    complete = []
    for document in documents:
        rule = reader_rule_of(context.config.inputs[document.unit.input_name], document.identity)
        original = originals.get((document.unit.name, document.identity)) if rule else None
        complete.append(dataclasses.replace(document, original=original, reader_rule=rule))
    return complete


def reader_rule_of(item: Any, identity: str) -> str:
    """The rule by which the reader of an input changes the text of a document; empty if it does not."""
    if isinstance(item, WarcInput) or (isinstance(item, HtmlInput) and item.main_content):
        return MAIN_CONTENT
    if isinstance(item, WikiDumpInput):
        return "mediawiki"
    return markup_of_file(identity, item)


def _read_originals(context: Context, unit: Unit, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """``(id, text)`` of documents of a unit before the reader changes them, among others."""
    item = context.config.inputs[unit.input_name]
    if not any(reader_rule_of(item, identity) for identity in wanted):
        return
    if isinstance(item, WikiDumpInput):
        yield from _wikitexts(unit, item)
    elif isinstance(item, WarcInput):
        whole: Any = SimpleNamespace(**{**vars(item), "extractor": None})
        for file, label, _ in unit.parts():
            yield from ((row[0], row[1]) for row in read_warc(file, label, whole, "", _ignore))
    elif isinstance(item, HtmlInput):
        yield from _read_as(unit, dataclasses.replace(item, main_content=False), context)
    else:
        rules = {identity: reader_rule_of(item, identity) for identity in wanted}
        if isinstance(item, TextInput) and {*rules.values()} - {"", NOTEBOOK}:
            yield from _read_as(unit, dataclasses.replace(item, markup="none"), context)
        yield from _notebooks_with_outputs(unit, item, {name for name in wanted if rules[name] == NOTEBOOK})


def _read_as(unit: Unit, item: Any, context: Context) -> Iterator[tuple[str, str]]:
    for batch in read_unit(unit, item, _ignore, context.config.seed):
        yield from zip(batch["id"].to_pylist(), batch["text"].to_pylist())


def _notebooks_with_outputs(unit: Unit, item: Any, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Notebooks with their outputs that are text: a person reads these, not the JSON."""
    for index, (file, label, _) in enumerate(unit.parts()):
        identity = identity_of_file(file, label, unit.root, item, source_of(unit.input_name, item))
        identity = prefix_id(identity, unit.input_name) if index in unit.shared else identity
        if identity in wanted and not has_records(file, item):
            text = decode_text(file.read_bytes(), file.suffix, item.encoding)
            yield identity, convert_notebook(text, with_text_outputs=True)[0]


def _wikitexts(unit: Unit, item: WikiDumpInput) -> Iterator[tuple[str, str]]:
    for file, label, part in unit.parts():
        for _, raw in read_pages(file, label, part, item.max_record_bytes, _ignore):
            try:
                page = parse_page(raw)
            except RecordError:  # in quarantine.jsonl
                continue
            yield f"{label}:{page['id']}", page["text"] or ""


def count_rows(context: Context, unit: Unit) -> int:
    """Documents that step ``clean`` wrote for the unit."""
    return pq.read_metadata(context.path(clean.STEP, unit.name)).num_rows


def identities(context: Context, unit: Unit) -> list[str]:
    """The ids of the unit's documents, in order."""
    return pq.read_table(context.path(clean.STEP, unit.name), columns=["id"])["id"].to_pylist()
