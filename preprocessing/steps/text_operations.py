"""The order of changes to a text column, per language and markup.

Owns which change runs where, the counts and examples of each, and the limit that rows become Python strings only where
necessary: for embedded data, markup, a wrong code page, boilerplate, and composition of scripts other than Hangul.
Everything else is one pass of ``kernels.normalize``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import EXAMPLE_CHARACTERS, MAX_EXAMPLES, Counts, replace_rows, utf8_buffer
from preprocessing.kernels.hidden_characters import with_hidden_beside_marks
from preprocessing.kernels.normalize import OPERATIONS, UNDONE
from preprocessing.kernels.normalize import normalize as normalize_rows
from preprocessing.kernels.suspects import (
    BYTE_KINDS,
    HTML,
    MISREAD,
    lines_at_ends,
    suspects,
    with_data,
)
from preprocessing.markup import conversion as markup
from preprocessing.markup import references
from preprocessing.markup.markdown import has_structure
from preprocessing.markup.notebook import NOTEBOOK
from preprocessing.pii.masking import anonymize_all
from preprocessing.text import boilerplate, embedded_data, mojibake
from preprocessing.text.blanks import collapse_blanks, end_code
from preprocessing.text.character_table import code_table, prose_table, usual_table
from preprocessing.text.characters import (
    change_composed,
    compose,
    remove_invisible,
    remove_invisible_in_code,
    to_usual_width,
)
from preprocessing.text.fences import change_outside_code
from preprocessing.text.jamo import join_typed_jamo, spell_stray_jamo, spell_stray_jamo_keep_old
from preprocessing.text.matching import Matcher
from preprocessing.text.squeeze import squeeze

CONTEXT_CHARACTERS = 60
MARGIN_CHARACTERS = 100
LONGEST_EXAMPLE_CHARACTERS = 16 << 10
SMALL_COLUMN_BYTES = 1 << 20
_WIDEST = 4  # maximum bytes of a character
_CONTROL = 1 << OPERATIONS.index("control")


@dataclass(frozen=True)
class Operation:
    """A change to a text; ``name`` is its name in the counts."""

    name: str
    apply: Callable[[str], str]


def operations_for(lang: str, markup_format: str, config: CleanConfig) -> list[Operation]:
    """Changes to documents of one language, in order. Personal data is masked afterwards, see ``pii.masking``."""
    data = _data_operations(lang, config)
    if markup_format == NOTEBOOK:  # before its strings are read as text
        data = [*_markup_operations(NOTEBOOK), *data]
        markup_format = "none"
    if lang == "code":
        return [*data, *character_operations(lang, config)]
    return [
        *data,
        *_markup_operations(markup_format),
        *([_REPAIR] if config.repair_mojibake else []),
        _KEEP_APART,
        *character_operations(lang, config),
        *([_BOILERPLATE] if config.cut_boilerplate else []),
    ]


def character_operations(lang: str, config: CleanConfig) -> list[Operation]:
    """Plain functions equivalent to the one pass of ``kernels.normalize``."""
    if lang == "code":
        return [
            Operation("control", remove_invisible_in_code),
            Operation("nfc", compose),
            Operation("whitespace", end_code),
        ]
    spell_jamo = spell_stray_jamo_keep_old if config.keep_old_hangul else spell_stray_jamo
    shorten = functools.partial(squeeze, longest=config.squeeze_to, laughs_from=config.squeeze_laughs_from)
    return [
        Operation("control", remove_invisible),
        Operation("full_width", to_usual_width),
        Operation("nfc", compose),
        Operation("stray_jamo", lambda text: compose(spell_jamo(text))),
        *([Operation("typed_jamo", join_typed_jamo)] if config.join_typed_jamo else []),
        Operation("squeeze", shorten),
        Operation("whitespace", collapse_blanks),
    ]


def _data_operations(lang: str, config: CleanConfig) -> list[Operation]:
    if not config.cut_embedded_data:
        return []
    return [_CUT_DATA_IN_CODE if lang == "code" else _CUT_DATA]


def _markup_operations(name: str) -> list[Operation]:
    return [] if name == "none" else [Operation(name, functools.partial(markup.convert, name))]


def _keep_marks_apart(text: str) -> str:
    is_markdown = has_structure(text)
    return change_outside_code(text, references.keep_marks_apart) if is_markdown else text


def _cut_data(text: str) -> str:
    return change_composed(text, embedded_data.cut_embedded_data)


def _cut_data_in_code(text: str) -> str:
    return change_composed(text, embedded_data.cut_embedded_data_in_code)


_CUT_DATA = Operation("embedded_data", _cut_data)
_CUT_DATA_IN_CODE = Operation("embedded_data", _cut_data_in_code)
_KEEP_APART = Operation("control", _keep_marks_apart)
_REPAIR = Operation("mojibake", mojibake.repair_mojibake)
_BOILERPLATE = Operation("boilerplate", boilerplate.cut_boilerplate)


_MARKUP_OF_SOURCE = {"wiki": "mediawiki", "namuwiki": "namumark"}


def markup_of(setting: str, source: str) -> str:
    """Markup format of a source: the setting or, for ``auto``, by the name of the source."""
    if setting != "auto":
        return setting
    return _MARKUP_OF_SOURCE.get(source.split("_")[0], "html")


def normalize_column(
    column: pa.Array, ids: pa.Array, lang: str, markup_format: str, config: CleanConfig, counts: Counts
) -> pa.Array:
    """Returns the normalized column; adds changed rows and examples per operation to ``counts``, in order of the changes."""
    changes = _Changes(column, ids, counts)
    if markup_format == NOTEBOOK:
        column = changes.apply(column, _markup_operations(NOTEBOOK), np.arange(len(column)))
        markup_format = "none"
    if config.cut_embedded_data:
        column = changes.apply(column, _data_operations(lang, config), rows_with_data(column))
    if lang == "code":
        return _normalize_characters(column, lang, config, changes)
    markup_rows, misread_rows = _suspects(column, markup_format, config)
    column = changes.apply(column, _markup_operations(markup_format), markup_rows)
    if config.repair_mojibake:
        if len(markup_rows):  # text that was hidden in markup
            misread_rows = np.union1d(misread_rows, _suspects(column, "none", config)[1])
        column = changes.apply(column, [_REPAIR], misread_rows)
    column = _normalize_characters(column, lang, config, changes)
    if config.cut_boilerplate:
        column = changes.apply(column, [_BOILERPLATE], rows_with_boilerplate(column))
    return column


def rows_with_data(column: pa.Array) -> np.ndarray:
    """Rows with long encoded words or data that Markdown or a data URL embeds."""
    return np.flatnonzero(with_data(*utf8_buffer(column), embedded_data.LONGEST_LITERAL))


def _suspects(column: pa.Array, markup_format: str, config: CleanConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows that may contain markup, and rows that may have been decoded with the wrong code page."""
    html, misread = markup_format == "html", config.repair_mojibake
    flags = suspects(*utf8_buffer(column), BYTE_KINDS, mojibake.rare_syllables(), html, misread)
    with_markup = np.flatnonzero(flags & HTML) if html or markup_format == "none" else np.arange(len(column))
    return with_markup, np.flatnonzero(flags & MISREAD)


def _normalize_characters(column: pa.Array, lang: str, config: CleanConfig, changes: _Changes) -> pa.Array:
    """Runs the kernel, then the plain functions on the rows that it returned unfinished."""
    prose = lang != "code"
    data, ends, changed = _run_kernel(column, prose, config)
    if prose and (rows := np.flatnonzero(changed & (_CONTROL | UNDONE))).size:
        rows = rows[with_hidden_beside_marks(*utf8_buffer(column), rows)]
        apart = changes.apply(column, [_KEEP_APART], rows)
        if apart is not column:  # hardly ever
            column = apart
            data, ends, changed = _run_kernel(column, prose, config)
    operations = character_operations(lang, config)
    changes.count(column, operations, changed)
    column = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(ends), pa.py_buffer(data))
    return changes.apply(column, operations, np.flatnonzero(changed & UNDONE))


def _run_kernel(
    column: pa.Array, prose: bool, config: CleanConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return normalize_rows(
        *utf8_buffer(column), prose_table() if prose else code_table(), usual_table(), prose,
        config.squeeze_to, config.squeeze_laughs_from, config.join_typed_jamo, config.keep_old_hangul,
    )  # fmt: skip


def rows_with_boilerplate(column: pa.Array) -> np.ndarray:
    """Rows whose first or last lines contain a word of by-lines or notices; their other lines are not read."""
    data, ends = lines_at_ends(
        *utf8_buffer(column), boilerplate.HEAD_LINES, boilerplate.HEAD_CHARACTERS * _WIDEST,
        boilerplate.TAIL_LINES, boilerplate.TAIL_CHARACTERS * _WIDEST, boilerplate.LONGEST_LINE * _WIDEST,
    )  # fmt: skip
    lines = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(ends), pa.py_buffer(data))
    return _boilerplate_hints().rows(lines)["boilerplate"]


@functools.cache
def _boilerplate_hints() -> Matcher:
    return Matcher({"boilerplate": boilerplate.HINT})


class _Changes:
    """Applies and counts changes to rows of one column, with examples whose personal data is hidden.

    A large column contributes one example of an operation, so that a corpus's examples come from different parts of it.
    """

    def __init__(self, column: pa.Array, ids: pa.Array, counts: Counts):
        self._ids = ids
        self._counts = counts
        self._examples = MAX_EXAMPLES if column.nbytes <= SMALL_COLUMN_BYTES else 1

    def apply(self, column: pa.Array, operations: list[Operation], rows: np.ndarray) -> pa.Array:
        """Applies the operations to ``rows`` (increasing), one after the other; returns the column."""
        first = column.take(pa.array(rows, pa.int64())).to_pylist()
        texts = first
        for operation in operations:
            before, texts = texts, [operation.apply(text) for text in texts]
            changed = [i for i, (old, new) in enumerate(zip(before, texts)) if old != new]
            if changed:
                self._counts.changed[operation.name] += len(changed)
            for i in changed[: self._examples] if self._counts.wants_example(operation.name) else ():
                self._add_example(operation.name, int(rows[i]), before[i], texts[i])
        changed = [i for i, (old, new) in enumerate(zip(first, texts)) if old != new]
        return replace_rows(column, rows[changed], [texts[i] for i in changed]) if changed else column

    def count(self, column: pa.Array, operations: list[Operation], changed: np.ndarray) -> None:
        """Counts changes made by the kernel: ``changed: [rows] uint8`` has a bit per name in OPERATIONS."""
        for bit, name in enumerate(OPERATIONS):
            rows = np.flatnonzero(changed & (1 << bit))
            if not len(rows):
                continue
            self._counts.changed[name] += len(rows)
            if self._counts.wants_example(name):
                self._repeat_examples(column, operations, name, rows)

    def _repeat_examples(
        self, column: pa.Array, operations: list[Operation], name: str, rows: np.ndarray
    ) -> None:
        """Adds examples of the kernel's changes, made by the plain functions from the beginning of the shortest rows."""
        offsets = utf8_buffer(column)[1]
        sizes = offsets[rows + 1] - offsets[rows]
        for row in np.sort(rows[np.argsort(sizes, kind="stable")[: self._examples]]):
            text = _beginning(column[int(row)].as_py())
            before, after = _around_operation(text, operations, name)
            if before != after:
                self._add_example(name, int(row), before, after)

    def _add_example(self, name: str, row: int, before: str, after: str) -> None:
        old, new = around_change(before, after)
        self._counts.add_example(name, self._ids[row].as_py(), old, new)


def _beginning(text: str) -> str:
    """The first lines of a long text."""
    if len(text) <= LONGEST_EXAMPLE_CHARACTERS:
        return text
    return text[: text.rfind("\n", 0, LONGEST_EXAMPLE_CHARACTERS) + 1 or LONGEST_EXAMPLE_CHARACTERS]


def _around_operation(text: str, operations: list[Operation], name: str) -> tuple[str, str]:
    """The text before and after one of the operations."""
    for operation in operations:
        before, text = text, operation.apply(text)
        if operation.name == name:
            return before, text
    raise KeyError(f"no operation is named {name!r}: OPERATIONS of the kernel and the plain functions differ")


def around_change(before: str, after: str) -> tuple[str, str]:
    """Both texts from a little before their first difference, with personal data hidden."""
    start = max(0, _shared_prefix(before, after) - CONTEXT_CHARACTERS)
    first = max(0, start - MARGIN_CHARACTERS)  # so that the start cuts no personal data in two
    last = start + EXAMPLE_CHARACTERS + MARGIN_CHARACTERS
    old, new = anonymize_all([before[first:last], after[first:last]])
    kept = slice(start - first, start - first + EXAMPLE_CHARACTERS)
    return old[kept], new[kept]


def _shared_prefix(before: str, after: str) -> int:
    """Length of the common prefix, in characters."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before.startswith(after[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
