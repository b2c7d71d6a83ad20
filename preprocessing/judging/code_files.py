"""Columns about a source file: its composition, whether a program wrote it, and its license.

Owns the columns computed from the counts of ``kernels.source_code``; ``rules`` decides which files stay. The filters of
StarCoder (arXiv:2305.06161), StarCoder2 (arXiv:2402.19173) and DeepSeek-Coder (arXiv:2401.14196) can be written with
these columns. Only leading comments with a hint become strings; everything else is counted in the Arrow buffer.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.errors import DataError
from preprocessing.documents import utf8_buffer
from preprocessing.judging import generated_code, licenses
from preprocessing.judging.license_expressions import classify

COLUMNS = pa.schema(
    [
        ("generated", pa.bool_()),  # a program wrote it, by its first lines or its name
        ("minified", pa.bool_()),  # most of it is long lines of code without blanks
        ("data_file", pa.bool_()),  # mostly numbers, encoded data or a table
        # SPDX expression of the file, otherwise of its record, otherwise of its repository
        ("license", pa.string()),
        ("license_kind", pa.string()),  # permissive, copyleft, unknown (not recognized), none
        ("alnum_ratio", pa.float32()),  # letters and digits / all characters
        ("alphabetic_ratio", pa.float32()),  # letters / all characters
        ("mean_line", pa.float32()),  # mean characters of a line
        ("max_line", pa.int32()),  # characters of the longest line
        ("comment_share", pa.float32()),  # visible bytes in comments and docstrings / all visible bytes
        # bytes of base64, lists of bytes and escaped characters / all bytes
        ("encoded_data_share", pa.float32()),
        ("encoded_data_longest", pa.int32()),  # bytes of the longest such block; StarCoder2 allows 1024
        ("data_share", pa.float32()),  # visible characters on lines of numbers / all visible characters
    ]
)
# Bytes from the start in which marks of generated files and licenses are searched; includes the leading comment.
MIN_HEAD_BYTES, MAX_HEAD_BYTES = 300, 6000
MINIFIED_SHARE, MINIFIED_BLANK, MINIFIED_MARKS = 0.5, 0.06, 0.05
DATA_SHARE, ENCODED_SHARE, TABLE_SHARE, MIN_TABLE_LINES = 0.7, 0.5, 0.9, 20

Meta = Mapping[str, Any] | str | None


def measure(column: pa.Array, metas: Sequence[Meta]) -> dict[str, pa.Array]:
    """The ``COLUMNS`` of a large_string column of source files; ``metas`` are their ``meta``, as JSON or parsed."""
    from preprocessing.kernels.source_code import INDEX, count

    data, offsets = utf8_buffer(column)
    counts = count(data, offsets)
    of = {name: counts[:, i] for name, i in INDEX.items()}
    parsed = [read_meta(meta) for meta in metas]
    names = [_file_name(meta) for meta in parsed]
    shares = _shares(of, data, offsets)
    heads = _heads(data, offsets, np.maximum(of["header_end"], MIN_HEAD_BYTES))
    data_file = _is_data(of, shares) | _has_ending(names, generated_code.DATA_ENDINGS)
    license = _licenses(_heads(data, offsets, of["header_end"]), parsed)
    values = {
        "generated": _is_generated(heads, names),
        "minified": _is_minified(of) & ~data_file | _has_ending(names, generated_code.MINIFIED_ENDINGS),
        "data_file": data_file,
        "license": license,
        "license_kind": [classify(one) for one in license],
        "max_line": of["longest_line"],
        "encoded_data_longest": of["longest_encoded"],
        **shares,
    }
    return {field.name: pa.array(values[field.name], field.type) for field in COLUMNS}


def read_meta(meta: Meta) -> Mapping[str, Any]:
    """Parses the ``meta`` of a document; empty where there is none. Raises DataError when it is not a mapping."""
    if meta is None or meta == "":
        return {}
    if isinstance(meta, str):
        meta = json.loads(meta)
    if not isinstance(meta, Mapping):
        raise DataError(
            f'meta of a source file must be a JSON object such as {{"path": "a/b.py"}}, got {meta!r}',
            rule="meta-is-not-an-object",
        )
    return meta


def _file_name(meta: Mapping[str, Any]) -> str:
    """The last part of the path in lower case; empty where the record has no path."""
    path = meta.get("path")
    return PurePosixPath(path).name.lower() if isinstance(path, str) else ""


def _shares(of: dict[str, np.ndarray], data: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    sizes = np.diff(offsets)
    characters, lines = np.maximum(of["characters"], 1), np.maximum(of["lines"], 1)
    ended = (sizes > 0) & (data[np.maximum(offsets[1:] - 1, 0)] == ord("\n"))
    blanks = of["characters"] - of["visible"]
    return {
        "alnum_ratio": of["alphanumeric"] / characters,
        "alphabetic_ratio": of["alphabetic"] / characters,
        "mean_line": (of["characters"] - of["lines"] + ((sizes > 0) & ~ended)) / lines,
        "comment_share": of["comment"] / np.maximum(sizes - blanks, 1),
        "encoded_data_share": of["encoded"] / np.maximum(sizes, 1),
        "data_share": of["data"] / np.maximum(of["visible"], 1),
    }


def _is_minified(of: dict[str, np.ndarray]) -> np.ndarray:
    """Dense long lines with signs: prose in one line has blanks, and encoded data has no signs."""
    long = np.maximum(of["long"], 1)
    dense = (of["long_blank"] / long < MINIFIED_BLANK) & (of["long_marks"] / long > MINIFIED_MARKS)
    return (of["long"] / np.maximum(of["characters"], 1) > MINIFIED_SHARE) & dense


def _is_data(of: dict[str, np.ndarray], shares: dict[str, np.ndarray]) -> np.ndarray:
    table = of["table_lines"] / np.maximum(of["lines"], 1)
    tabular = (table > TABLE_SHARE) & (of["lines"] >= MIN_TABLE_LINES)
    return (shares["data_share"] > DATA_SHARE) | (shares["encoded_data_share"] > ENCODED_SHARE) | tabular


def _has_ending(names: list[str], endings: tuple[str, ...]) -> np.ndarray:
    return np.array([name.endswith(endings) for name in names], bool)


def _heads(data: np.ndarray, offsets: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """The first ``lengths`` bytes of each row, at most ``MAX_HEAD_BYTES``; a character may be cut at the end."""
    ends = np.minimum(offsets[:-1] + np.minimum(lengths, MAX_HEAD_BYTES), offsets[1:])
    heads = [data[start:end].tobytes() for start, end in zip(offsets[:-1].tolist(), ends.tolist())]
    return pa.array(heads, pa.large_binary())


def _texts(heads: pa.Array, hint: str) -> list[tuple[int, str]]:
    """``(row, text)`` of the heads that contain ``hint`` (RE2)."""
    rows = np.flatnonzero(pc.match_substring_regex(heads, hint).to_numpy(zero_copy_only=False))
    return [(int(row), heads[int(row)].as_py().decode("utf-8", "ignore")) for row in rows]


def _is_generated(heads: pa.Array, names: list[str]) -> np.ndarray:
    generated = np.array([generated_code.is_generated_name(name) for name in names], bool)
    for row, head in _texts(heads, generated_code.HINT):
        generated[row] |= generated_code.is_marked(head)
    return generated


def _licenses(headers: pa.Array, metas: list[Mapping[str, Any]]) -> list[str | None]:
    own = {row: licenses.find_in_header(header) for row, header in _texts(headers, licenses.HEADER_HINT)}
    return [own.get(row) or licenses.find_declared(meta) for row, meta in enumerate(metas)]
