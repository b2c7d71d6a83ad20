"""The order of changes to a text column, per language and markup.

Owns which operation runs where and how rows that it cannot change are passed over cheaply: a hint over the whole
Arrow column (RE2) picks the rows, and only they become Python strings.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing import boilerplate, markup, normalise
from preprocessing.documents import Counts, replace_rows
from preprocessing.personal_data import PATTERNS, anonymised, mask_kind
from preprocessing.schema import CleanConfig

CONTEXT_CHARACTERS = 60


@dataclass(frozen=True)
class Operation:
    """``hint`` is an RE2 pattern without which ``apply`` changes nothing; without a hint every row is given to it."""

    name: str
    apply: Callable[[str], str]
    hint: str | None = None


def operations_for(lang: str, markup_kind: str, config: CleanConfig) -> list[Operation]:
    """Changes to documents of one language, in order. Personal data is masked last, see ``mask_column``."""
    if lang == "code":
        return [
            Operation(
                "control",
                normalise.remove_invisible_in_code,
                "[\r\u2581" + normalise.CODE_INVISIBLE_CLASS + "]",
            ),
            Operation("nfc", normalise.compose, r"[^\x00-\x{2ff}]"),
            Operation("whitespace", normalise.end_code),
        ]
    jamo = normalise.remove_stray_jamo_keep_old if config.keep_old_hangul else normalise.remove_stray_jamo
    squeeze = functools.partial(normalise.squeeze, longest=config.squeeze_to)
    return [
        *_MARKUP[markup_kind],
        Operation(
            "control",
            normalise.remove_invisible,
            "[\r\u0085\u2028\u2029\u200d\u2581" + normalise.INVISIBLE + "]",
        ),
        Operation("full_width", normalise.to_half_width, "[\uff01-\uff5e\u3000]"),
        Operation("nfc", normalise.compose, r"[^\x00-\x{2ff}]"),
        Operation("stray_jamo", lambda text: normalise.compose(jamo(text)), normalise.JAMO_HINT),
        Operation("squeeze", squeeze, normalise.RUN_HINT),
        Operation("boilerplate", boilerplate.cut_boilerplate, boilerplate.HINT),
        Operation("whitespace", normalise.collapse_blanks),
    ]


_MARKUP = {
    "none": [],
    "html": [Operation("html", markup.html_to_text, markup.HTML_HINT)],
    "mediawiki": [Operation("mediawiki", markup.mediawiki_to_markdown)],
}


def markup_of(kind: str, source: str) -> str:
    """``auto`` by the name of the source."""
    if kind != "auto":
        return kind
    return "mediawiki" if source.split("_")[0] == "wiki" else "html"


def apply_operations(
    column: pa.Array, ids: pa.Array, operations: list[Operation], counts: Counts
) -> pa.Array:
    """The changed column; ``counts`` gets changed rows and examples per operation."""
    for operation in operations:
        rows = rows_with(column, operation.hint)
        before = column.take(pa.array(rows)).to_pylist()
        after = [_safely(operation, text) for text in before]
        changed = [i for i, (old, new) in enumerate(zip(before, after)) if old != new]
        if not changed:
            continue
        counts.changed[operation.name] += len(changed)
        for i in changed:
            if not counts.wants_example(operation.name):
                break
            old, new = around_change(anonymised(before[i]), anonymised(after[i]))
            counts.add_example(operation.name, ids[int(rows[i])].as_py(), old, new)
        column = replace_rows(column, rows[changed], [after[i] for i in changed])
    return column


def _safely(operation: Operation, text: str) -> str:
    if operation.name == "nfc" and unicodedata.is_normalized("NFC", text):
        return text
    return operation.apply(text)


def mask_column(column: pa.Array, ids: pa.Array, kinds: list[str], counts: Counts) -> pa.Array:
    """The column with personal data masked; ``counts`` gets the number of each kind and anonymised examples."""
    for pattern in PATTERNS:
        if pattern.kind not in kinds:
            continue
        rows = rows_with(column, pattern.hint)
        before = column.take(pa.array(rows)).to_pylist()
        masked = [mask_kind(pattern, text) for text in before]
        hit = [i for i, (_, found) in enumerate(masked) if found]
        if not hit:
            continue
        counts.masked[pattern.kind] += sum(masked[i][1] for i in hit)
        for i in hit:
            if not counts.wants_example(pattern.kind):
                break
            old, new = around_change(anonymised(before[i]), anonymised(masked[i][0]))
            counts.add_example(pattern.kind, ids[int(rows[i])].as_py(), old, new)
        column = replace_rows(column, rows[hit], [masked[i][0] for i in hit])
    return column


def rows_with(column: pa.Array, hint: str | None) -> np.ndarray:
    if hint is None:
        return np.arange(len(column))
    return np.flatnonzero(pc.match_substring_regex(column, hint).to_numpy(zero_copy_only=False))


def around_change(before: str, after: str) -> tuple[str, str]:
    """Both texts from a little before their first difference."""
    shared = 0
    for old, new in zip(before, after):
        if old != new:
            break
        shared += 1
    start = max(0, shared - CONTEXT_CHARACTERS)
    return before[start:], after[start:]
