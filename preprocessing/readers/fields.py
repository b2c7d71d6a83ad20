"""Converts a record with fields to a document.

Owns the fields an input names: text or template, identity, language, and the fields that are copied to ``meta``. Used by
every reader of records (JSONL, Parquet, Hugging Face data sets).
"""

# pyarrow.compute defines its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from preprocessing.config.inputs import TEMPLATE_PLACE, RecordsInput
from preprocessing.config.languages import LANGUAGES
from preprocessing.documents import DOCUMENT
from preprocessing.readers.bad_records import RecordError
from preprocessing.readers.field_paths import SEPARATORS, Missing, find_value, name_of_type, split_path

REMEDY_OF_TEXT = "; set text_field"  # ends of messages
REMEDY_OF_TEMPLATES = "; correct templates"
REMEDY_OF_LANGUAGE = "; set lang: detect, a language, or lang_field"
Row = tuple[str, str, str, str, str]  # id, text, source, lang, meta
_ZERO = pa.scalar(0, pa.int32())  # made once: pyarrow tries an import for each scalar


class Fields:
    """Converts the records of one file to documents. ``label`` names the file in ids and in ``meta``."""

    def __init__(self, item: RecordsInput, source: str, label: str, seed: int, max_bytes: int):
        self._item = item
        self._source = source
        self._label = label
        self._seed = seed
        self._templates = [
            TEMPLATE_PLACE.split(template) for template in item.templates
        ]  # text and fields by turns
        self._max_bytes = max_bytes
        self._lang = "" if item.lang == "detect" else item.lang
        self._meta_start = orjson.dumps({"file": label}).decode()[:-1] + ',"line":'

    @staticmethod
    def text_fields(item: RecordsInput) -> list[str]:
        """The fields that the text is built from."""
        return [name for template in item.templates for name in TEMPLATE_PLACE.findall(template)] or [
            item.text_field
        ]

    @staticmethod
    def all_fields(item: RecordsInput) -> list[str]:
        """The fields that an input uses, required or optional, in order."""
        lang = [item.lang_field] if item.lang == "record" else []
        return list(dict.fromkeys([item.id_field, *Fields.text_fields(item), *lang, *item.meta_fields]))

    def required_fields(self) -> dict[str, str]:
        """The fields without which no record is a document, with the remedy where one is missing."""
        remedy = REMEDY_OF_TEMPLATES if self._item.templates else REMEDY_OF_TEXT
        required = dict.fromkeys(Fields.text_fields(self._item), remedy)
        return required | ({self._item.lang_field: REMEDY_OF_LANGUAGE} if self._item.lang == "record" else {})

    def row(self, record: Mapping[str, Any], number: int) -> Row:
        """The document of record ``number`` (counted from 1). Raises RecordError."""
        item = self._item
        identity = record.get(item.id_field)
        if type(identity) is not str or not identity:
            identity = self._other_identity(record, number)
        text = (
            self._from_template(record, identity)
            if item.templates
            else text_of(record, item.text_field, REMEDY_OF_TEXT, item.list_separators)
        )
        if len(text) * 4 > self._max_bytes and len(text.encode("utf-8", "replace")) > self._max_bytes:
            raise RecordError(f"text is longer than max_record_bytes = {self._max_bytes:,}", "too-long")
        lang = self._lang
        if lang == "record":
            lang = text_of(record, item.lang_field, REMEDY_OF_LANGUAGE)
            if lang not in LANGUAGES:
                raise RecordError(
                    f"{item.lang_field} {lang[:20]!r} is not one of {', '.join(LANGUAGES)}",
                    "unknown-language",
                )
        return identity, text, self._source, lang, self._meta(record, number)

    def batch(self, ids: pa.Array, texts: pa.Array, langs: pa.Array | None, number: int) -> pa.RecordBatch:
        """The documents of consecutive records, the first of which is ``number``, from columns of their fields.

        An empty identity counts as missing. ``langs`` is None where the input sets the language. No field is copied to ``meta``.
        """
        numbers = pa.array(np.arange(number, number + len(ids))).cast(pa.string())
        ids = ids.cast(pa.string())
        if pc.any(is_missing := pc.equal(pc.binary_length(ids), _ZERO)).as_py():
            names = pc.binary_join_element_wise(_text(f"{self._label}:"), numbers, _text(""))
            ids = pc.if_else(is_missing, names, ids)
        columns = [
            ids,
            texts,
            pa.repeat(_text(self._source), len(ids)),
            pa.repeat(_text(self._lang), len(ids)) if langs is None else langs.cast(pa.string()),
            pc.binary_join_element_wise(_text(self._meta_start), numbers, _text("}"), _text("")),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=DOCUMENT)

    def _other_identity(self, record: Mapping[str, Any], number: int) -> str:
        value = value_or_none(record, self._item.id_field)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)
        return f"{self._label}:{number}"

    def _from_template(self, record: Mapping[str, Any], identity: str) -> str:
        templates = self._templates
        chosen = xxhash.xxh64_intdigest(identity.encode("utf-8"), self._seed) % len(templates)
        separators = self._item.list_separators
        parts = enumerate(templates[chosen])
        return "".join(
            [text_of(record, part, REMEDY_OF_TEMPLATES, separators) if i % 2 else part for i, part in parts]
        )

    def _meta(self, record: Mapping[str, Any], number: int) -> str:
        meta = f"{self._meta_start}{number}}}"
        extra = {}
        for name in self._item.meta_fields:
            with contextlib.suppress(Missing):
                extra[name] = find_value(record, name, self._item.list_separators)
        if not extra:
            return meta
        try:
            return meta[:-1] + "," + orjson.dumps(extra, default=str).decode()[1:]
        except orjson.JSONEncodeError as error:
            raise RecordError(f"meta_fields cannot be written as JSON: {error}", "meta-not-json") from None


def _text(value: str) -> pa.Scalar:
    """A scalar with its type: to infer a type Arrow searches for a missing package each time."""
    return pa.scalar(value, pa.string())


def find_columns(columns: Sequence[str], fields: Sequence[str], required: Mapping[str, str]) -> list[str]:
    """The ``columns`` of a table that contain the ``fields``.

    ``required`` maps fields to remedies. Raises RecordError, with the remedy, when a required field has no column.
    """
    names = {field: field if field in columns else split_path(field)[0][0] for field in fields}
    missing = [field for field in required if names[field] not in columns]
    if missing:
        shown = ", ".join(" ".join(column.split())[:40] for column in columns)[:200]
        cause = f"the file has no column {' or '.join(missing)}; columns: {shown}"
        raise RecordError(cause, "missing-column", required[missing[0]])
    return [name for name in dict.fromkeys(names.values()) if name in columns]


def value_or_none(record: Mapping[str, Any], field: str) -> Any:
    """Value of a field, None where it is missing."""
    try:
        return find_value(record, field)
    except Missing:
        return None


def text_of(
    record: Mapping[str, Any], field: str, remedy: str = "", separators: Sequence[str] = SEPARATORS
) -> str:
    """Text of a field, or the joined texts of a list. Raises RecordError, with the ``remedy`` for a missing field."""
    value = record.get(field)
    if type(value) is str:
        return value
    try:
        value = find_value(record, field, separators)
    except Missing as error:
        raise RecordError(str(error), "missing-field", remedy + _hint_of_records(record)) from None
    if not isinstance(value, str):
        cause = f"field {field!r} is not text but {name_of_type(value)}"
        raise RecordError(cause, "not-text", _hint_of_value(field, value, remedy))
    return value


def _hint_of_records(record: Mapping[str, Any]) -> str:
    """What to set where the records are in a list inside of this one."""
    name = next((name for name, value in record.items() if _is_list_of_objects(value)), "")
    return (
        f"; where each element of {name} is a document, set type: json and records: '{name}[]'"
        if name
        else ""
    )


def _hint_of_value(field: str, value: Any, remedy: str) -> str:
    """What to set where the value of a field is no text; nothing for a single record without one."""
    if isinstance(value, list):
        return _hint_of_list(field, value)
    if isinstance(value, Mapping):
        return f"; write {field}.NAME for one of its fields, {', '.join(map(str, value))[:80]}"
    return "" if value is None else remedy


def _hint_of_list(field: str, value: list[Any]) -> str:
    if not _is_list_of_objects(value):
        return f"; write {field}[] to join its elements"
    return f"; write {field}[] and one of the fields of its elements, {', '.join(map(str, value[0]))[:80]}"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(value[0])
