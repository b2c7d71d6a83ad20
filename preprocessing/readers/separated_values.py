"""Rows of separated values (CSV, TSV): one document per row.

Owns how lines become rows; Python's ``csv`` module splits them, strictly, because what it guesses from a wrong quote is other
text. A row goes to quarantine with the bytes of its lines.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from preprocessing.config.inputs import CsvInput
from preprocessing.markup.table_layout import LONGEST_FIELD
from preprocessing.readers.bad_records import Quarantine, RecordError
from preprocessing.readers.fields import Fields, Row, find_columns
from preprocessing.readers.json_lines import find_other_content, is_object
from preprocessing.readers.lines import read_line_blocks
from preprocessing.readers.text_encodings import decode_text

_DELIMITER_OF_EXCEL = re.compile(r"sep=(.)")
_RULES_OF_FILES = ("is-cp949", "is-utf-16")
"""Rules that all lines of a file break."""


def read_separated_values(
    file: Path, label: str, item: CsvInput, fields: Fields, max_bytes: int, quarantine: Quarantine
) -> Iterator[Row]:
    """The documents of the rows of a file; the number of a row is that of its first line."""
    lines = _Lines(read_line_blocks(file, label, None, max_bytes, quarantine), item.encoding)
    csv.field_size_limit(LONGEST_FIELD)
    try:
        rows, names = _open(lines, item)
        if names is None:
            return
        _check_columns(names, fields, item)
    except RecordError as error:
        quarantine(error.record(label, 0, lines.raw()))
        return
    while True:
        lines.begin_row()
        try:
            values = _next_row(rows, lines)
            if values is None:
                return
            if len(values) != len(names):
                raise RecordError(_cause_of_other_number(values, names, item), "wrong-columns")
            if values == item.columns:
                continue  # the header of a file whose columns are set
            yield fields.row(dict(zip(names, values)), lines.first)
        except RecordError as error:
            quarantine(error.record(label, lines.first, lines.raw()))


class _Lines:
    """The lines of a file as text, one by one, with their line feeds; remembers those of the row that is read."""

    def __init__(self, blocks: Iterator[tuple[int, bytes]], encoding: str):
        self._encoding = encoding
        self._lines: Iterator[tuple[int, bytes, str]] = self._decode(blocks)
        self._row: list[bytes] = []
        self.first = 0
        self.error: RecordError | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, raw, text = next(self._lines)
        self.first = self.first or number
        self._row.append(raw)
        return text

    def begin_row(self) -> None:
        self._row, self.first, self.error = [], 0, None

    def raw(self) -> bytes:
        """The bytes of the lines of the row, without the last line feed."""
        return b"\n".join(self._row)

    def peek(self) -> str | None:
        """The next line, which the next step returns again; None at the end."""
        first = next(self._lines, None)
        if first is None:
            return None
        self._lines = chain([first], self._lines)
        return first[2]

    def _decode(self, blocks: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, str]]:
        """``(number, bytes, text)`` of each line."""
        for number, block in blocks:
            if number == 1 and (other := find_other_content(block)):
                raise other
            raw = block.removesuffix(b"\n").split(b"\n")
            try:
                text = decode_text(block, "", self._encoding).removesuffix("\n").split("\n")
            except RecordError as error:
                if number == 1 and error.rule in _RULES_OF_FILES:
                    raise
                text = None
            for n, line in enumerate(raw):
                yield number + n, line, (text[n] if text else self._decode_line(line)) + "\n"

    def _decode_line(self, line: bytes) -> str:
        """The text of a line; with ``error`` set, and other characters for what cannot be decoded, where it is broken."""
        try:
            return decode_text(line, "", self._encoding)
        except RecordError as error:
            self.error = self.error or error
            return line.decode("utf-8", "replace").replace("\0", "\ufffd")


def _open(lines: _Lines, item: CsvInput) -> tuple[Iterator[list[str]], list[str] | None]:
    """``(rows, names)``: the rows behind the header, and the names of the columns; None for a file without a line."""
    first, delimiter = lines.peek(), item.delimiter
    if first and (named := _DELIMITER_OF_EXCEL.fullmatch(first.rstrip("\r\n"))):
        next(lines)
        lines.begin_row()
        first, delimiter = lines.peek(), named[1] if delimiter == "auto" else delimiter
    if first is None:
        return iter(()), None
    if is_object(first.encode()):
        raise RecordError("this is JSON lines, not separated values; set type: jsonl for it", "other-format")
    if first.rstrip("\r\n").count("\r") > 1:
        raise RecordError(
            "lines end with carriage returns; convert the file: tr '\\r' '\\n' < IN > OUT", "other-lines"
        )
    if delimiter == "auto":
        delimiter = "\t" if "\t" in first else ","
    quote = item.quote if item.quote != "auto" else "none" if delimiter == "\t" else '"'
    if quote == "none":
        rows = (line.rstrip("\r\n").split(delimiter) if line.strip("\r\n") else [] for line in lines)
    else:
        rows = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
    names = item.columns or [name.strip() for name in _next_row(rows, lines) or ()]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"two columns are called {twice!r}; rename one, or set columns", "duplicate-field")
    return rows, names


def _check_columns(names: list[str], fields: Fields, item: CsvInput) -> None:
    """Raises RecordError, with the setting that helps, when no column is called like a field."""
    required = fields.required_fields()
    try:
        find_columns(names, Fields.all_fields(item), required)
    except RecordError as error:
        header = " ".join(names)
        other = next(
            (one for one in ";|\t," if {*required} <= {name.strip() for name in header.split(one)}), ""
        )
        remedy = f"; set delimiter: {json.dumps(other)}" if other else ""
        if not item.columns and not other:
            remedy = f"{error.remedy}; where the first line is no header, set columns"
        raise RecordError(f"{error.cause}{remedy}", error.rule) from None


def _next_row(rows: Iterator[list[str]], lines: _Lines) -> list[str] | None:
    """The values of the next row that is not empty; None at the end. Raises RecordError."""
    try:
        values = next(rows, None)
        while values == []:
            lines.begin_row()
            values = next(rows, None)
    except csv.Error as error:
        if "new-line" in str(error):
            cause = "a value that is not quoted contains a carriage return; quote it, or remove the sign"
            raise RecordError(cause, "wrong-quote") from None
        cause = (
            f"a quoted value does not end as one ({error}); set quote: none where the values are not quoted"
        )
        raise RecordError(cause, "wrong-quote") from None
    if lines.error:
        raise lines.error
    return values


def _cause_of_other_number(values: list[str], names: list[str], item: CsvInput) -> str:
    of = "columns has" if item.columns else "the header has"
    quoted = any(value.startswith('"') for value in values) and item.quote in ("auto", "none")
    remedy = "set quote: '\"'" if quoted else "correct the row, or set delimiter or quote"
    return f"{len(values)} values, {of} {len(names)}; {remedy}"
