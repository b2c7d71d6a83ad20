"""The order of changes to a text column, per language and markup.

Owns which change runs where, that each is counted and shown by examples, and that rows become Python strings only
where they must: for markup, for a wrong code page, for boilerplate, and for composition of other scripts than Hangul.
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
from preprocessing.kernels.normalize import OPERATIONS, UNDONE
from preprocessing.kernels.normalize import normalize as normalize_rows
from preprocessing.kernels.suspects import BYTE_KINDS, HTML, MISREAD, lines_at_ends, suspects
from preprocessing.markup import conversion as markup
from preprocessing.pii.masking import anonymised
from preprocessing.text import boilerplate, mojibake, normalise
from preprocessing.text.character_table import code_table, prose_table, usual_table
from preprocessing.text.matching import Matcher

CONTEXT_CHARACTERS = 60
MARGIN_CHARACTERS = 100
LONGEST_EXAMPLE_CHARACTERS = 16 << 10
SMALL_COLUMN_BYTES = 1 << 20
_WIDEST = 4  # bytes of a character, at most


@dataclass(frozen=True)
class Operation:
    """A change of one text under the name it is counted by."""

    name: str
    apply: Callable[[str], str]


def operations_for(lang: str, markup_kind: str, config: CleanConfig) -> list[Operation]:
    """Changes to documents of one language, in order. Personal data is masked last, see ``personal_data``."""
    if lang == "code":
        return character_operations(lang, config)
    return [
        *_markup_operations(markup_kind),
        *([_REPAIR] if config.repair_mojibake else []),
        *character_operations(lang, config),
        *([_BOILERPLATE] if config.cut_boilerplate else []),
    ]


def character_operations(lang: str, config: CleanConfig) -> list[Operation]:
    """What ``kernels.normalize`` does in one pass, as plain functions."""
    if lang == "code":
        return [
            Operation("control", normalise.remove_invisible_in_code),
            Operation("nfc", normalise.compose),
            Operation("whitespace", normalise.end_code),
        ]
    jamo = normalise.remove_stray_jamo_keep_old if config.keep_old_hangul else normalise.remove_stray_jamo
    squeeze = functools.partial(
        normalise.squeeze, longest=config.squeeze_to, laughs_from=config.squeeze_laughs_from
    )
    return [
        Operation("control", normalise.remove_invisible),
        Operation("full_width", normalise.to_usual_width),
        Operation("nfc", normalise.compose),
        Operation("stray_jamo", lambda text: normalise.compose(jamo(text))),
        *([Operation("typed_jamo", normalise.join_typed_jamo)] if config.join_typed_jamo else []),
        Operation("squeeze", squeeze),
        Operation("whitespace", normalise.collapse_blanks),
    ]


def _markup_operations(kind: str) -> list[Operation]:
    return [] if kind == "none" else [Operation(kind, markup.CONVERTERS[kind])]


_REPAIR = Operation("mojibake", mojibake.repair_mojibake)
_BOILERPLATE = Operation("boilerplate", boilerplate.cut_boilerplate)


def markup_of(kind: str, source: str) -> str:
    """``auto`` by the name of the source."""
    if kind != "auto":
        return kind
    return "mediawiki" if source.split("_")[0] == "wiki" else "html"


def normalise_column(
    column: pa.Array, ids: pa.Array, lang: str, markup_kind: str, config: CleanConfig, counts: Counts
) -> pa.Array:
    """The changed column; ``counts`` gets changed rows and examples per operation, in the order of the changes."""
    changes = _Changes(column, ids, counts)
    if lang == "code":
        return _normalise_characters(column, lang, config, changes)
    markup_rows, misread_rows = _suspects(column, markup_kind, config)
    column = changes.apply(column, _markup_operations(markup_kind), markup_rows)
    if config.repair_mojibake:
        if len(markup_rows):  # what markup hid
            misread_rows = np.union1d(misread_rows, _suspects(column, "none", config)[1])
        column = changes.apply(column, [_REPAIR], misread_rows)
    column = _normalise_characters(column, lang, config, changes)
    if config.cut_boilerplate:
        column = changes.apply(column, [_BOILERPLATE], rows_with_boilerplate(column))
    return column


def _suspects(column: pa.Array, markup_kind: str, config: CleanConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows that may hold markup, and rows that may have been read with the wrong code page."""
    html, misread = markup_kind == "html", config.repair_mojibake
    found = suspects(*utf8_buffer(column), BYTE_KINDS, _rare_syllables(), html, misread)
    with_markup = np.flatnonzero(found & HTML) if html or markup_kind == "none" else np.arange(len(column))
    return with_markup, np.flatnonzero(found & MISREAD)


@functools.cache
def _rare_syllables() -> np.ndarray:
    return np.array([mojibake.is_rare(chr(code)) for code in range(0xAC00, 0xD7A4)])


def _normalise_characters(column: pa.Array, lang: str, config: CleanConfig, changes: _Changes) -> pa.Array:
    """The pass of the kernel; rows that it hands back go through the plain functions."""
    prose = lang != "code"
    data, ends, changed = normalize_rows(
        *utf8_buffer(column), prose_table() if prose else code_table(), usual_table(), prose,
        config.squeeze_to, config.squeeze_laughs_from, config.join_typed_jamo, config.keep_old_hangul,
    )  # fmt: skip
    operations = character_operations(lang, config)
    changes.count(column, operations, changed)
    column = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(ends), pa.py_buffer(data))
    return changes.apply(column, operations, np.flatnonzero(changed & UNDONE))


def rows_with_boilerplate(column: pa.Array) -> np.ndarray:
    """Rows with a word of by-lines and notices in their first or last lines; the rest of them is not read."""
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

    A large column gives one example of an operation, so that those of a corpus come from different places of it.
    """

    def __init__(self, column: pa.Array, ids: pa.Array, counts: Counts):
        self._ids = ids
        self._counts = counts
        self._examples = MAX_EXAMPLES if column.nbytes <= SMALL_COLUMN_BYTES else 1

    def apply(self, column: pa.Array, operations: list[Operation], rows: np.ndarray) -> pa.Array:
        """The column with the operations applied to ``rows`` (increasing), one after the other."""
        first = column.take(pa.array(rows, pa.int64())).to_pylist()
        texts = first
        for operation in operations:
            before, texts = texts, [operation.apply(text) for text in texts]
            changed = [i for i, (old, new) in enumerate(zip(before, texts)) if old != new]
            if changed:
                self._counts.changed[operation.name] += len(changed)
            for i in changed[: self._examples] if self._counts.wants_example(operation.name) else ():
                self._show(operation.name, int(rows[i]), before[i], texts[i])
        changed = [i for i, (old, new) in enumerate(zip(first, texts)) if old != new]
        return replace_rows(column, rows[changed], [texts[i] for i in changed]) if changed else column

    def count(self, column: pa.Array, operations: list[Operation], changed: np.ndarray) -> None:
        """Counts what the kernel changed: ``changed: [rows] uint8`` has a bit per name of OPERATIONS."""
        for bit, name in enumerate(OPERATIONS):
            rows = np.flatnonzero(changed & (1 << bit))
            if not len(rows):
                continue
            self._counts.changed[name] += len(rows)
            if self._counts.wants_example(name):
                self._show_again(column, operations, name, rows)

    def _show_again(self, column: pa.Array, operations: list[Operation], name: str, rows: np.ndarray) -> None:
        """Examples of what the kernel changed, by the plain functions, from the beginning of the shortest rows."""
        offsets = utf8_buffer(column)[1]
        sizes = offsets[rows + 1] - offsets[rows]
        for row in np.sort(rows[np.argsort(sizes, kind="stable")[: self._examples]]):
            text = _beginning(column[int(row)].as_py())
            before, after = _around_operation(text, operations, name)
            if before != after:
                self._show(name, int(row), before, after)

    def _show(self, name: str, row: int, before: str, after: str) -> None:
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
    raise KeyError(
        f"no operation is called {name!r}; OPERATIONS of the kernel and the plain functions differ"
    )


def around_change(before: str, after: str) -> tuple[str, str]:
    """Both texts from a little before their first difference, with personal data hidden."""
    start = max(0, _shared(before, after) - CONTEXT_CHARACTERS)
    return _excerpt(before, start), _excerpt(after, start)


def _shared(before: str, after: str) -> int:
    """How many characters the two begin with alike."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before.startswith(after[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _excerpt(text: str, start: int) -> str:
    """An example from ``start``; personal data is looked for in more than is shown, so that none is cut in two."""
    first = max(0, start - MARGIN_CHARACTERS)
    hidden = anonymised(text[first : start + EXAMPLE_CHARACTERS + MARGIN_CHARACTERS])
    return hidden[start - first :][:EXAMPLE_CHARACTERS]
