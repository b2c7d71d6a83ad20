"""Columns about a source file: what it is made of, whether people wrote it, under which license.

Owns what the counts of ``kernels.source_code`` mean; which files are kept is decided in ``rules``. The filters of
StarCoder (arXiv:2305.06161), StarCoder2 (arXiv:2402.19173) and DeepSeek-Coder (arXiv:2401.14196) can be written with
these columns. Only leading comments that hold a hint become strings; the rest is counted in the Arrow buffer.
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
        ("generated", pa.bool_()),  # a program wrote it: its first lines or its name say so
        ("minified", pa.bool_()),  # most of it stands in long lines of code without blanks
        ("data_file", pa.bool_()),  # mostly numbers, encoded data or a table
        ("license", pa.string()),  # SPDX expression of the file, else of its record, else of its repository
        ("license_kind", pa.string()),  # permissive, copyleft, unknown (not recognized), none
        ("alnum_ratio", pa.float32()),  # letters and digits over all characters
        ("alphabetic_ratio", pa.float32()),  # letters over all characters
        ("mean_line", pa.float32()),  # characters of a line, on average
        ("max_line", pa.int32()),  # characters of the longest line
        ("comment_share", pa.float32()),  # visible bytes in comments and docstrings over all visible bytes
        (
            "encoded_data_share",
            pa.float32(),
        ),  # bytes of base64, lists of bytes, escaped characters over all bytes
        ("encoded_data_longest", pa.int32()),  # bytes of the longest such block; StarCoder2 allows 1024
        ("data_share", pa.float32()),  # visible characters on lines of numbers over all visible characters
    ]
)
LEAST_HEAD, MOST_HEAD = (
    300,
    6000,
)  # bytes in which marks and licenses are looked for, with the leading comment
MINIFIED_SHARE, MINIFIED_BLANK, MINIFIED_MARKS = 0.5, 0.1, 0.05
DATA_SHARE, ENCODED_SHARE, TABLE_SHARE, FEWEST_TABLE_LINES = 0.7, 0.5, 0.9, 20

Meta = Mapping[str, Any] | str | None


def measure(column: pa.Array, metas: Sequence[Meta]) -> dict[str, pa.Array]:
    """``COLUMNS`` of a large_string column of source files; ``metas`` are their ``meta``, as JSON or read."""
    from preprocessing.kernels.source_code import INDEX, count

    data, offsets = utf8_buffer(column)
    counts = count(data, offsets)
    of = {name: counts[:, i] for name, i in INDEX.items()}
    read = [read_meta(meta) for meta in metas]
    names = [_name(meta) for meta in read]
    shares = _shares(of, data, offsets)
    heads = _heads(data, offsets, np.maximum(of["header_end"], LEAST_HEAD))
    data_file = _is_data(of, shares) | _named(names, generated_code.DATA_ENDINGS)
    license = _licenses(_heads(data, offsets, of["header_end"]), read)
    found = {
        "generated": _generated(heads, names),
        "minified": _is_minified(of) & ~data_file | _named(names, generated_code.MINIFIED_ENDINGS),
        "data_file": data_file,
        "license": license,
        "license_kind": [classify(one) for one in license],
        "max_line": of["longest_line"],
        "encoded_data_longest": of["longest_encoded"],
        **shares,
    }
    return {field.name: pa.array(found[field.name], field.type) for field in COLUMNS}


def read_meta(meta: Meta) -> Mapping[str, Any]:
    """The ``meta`` of a document as a mapping; empty where there is none."""
    if meta is None or meta == "":
        return {}
    if isinstance(meta, str):
        meta = json.loads(meta)
    if not isinstance(meta, Mapping):
        raise DataError(
            f'meta of a source file is {meta!r}; it must be a JSON object such as {{"path": "a/b.py"}}'
        )
    return meta


def _name(meta: Mapping[str, Any]) -> str:
    """The last part of the path in small letters, empty where the record has none."""
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
    """Code has signs, prose in one line has blanks, encoded data has neither."""
    long = np.maximum(of["long"], 1)
    dense = (of["long_blank"] / long < MINIFIED_BLANK) & (of["long_marks"] / long > MINIFIED_MARKS)
    return (of["long"] / np.maximum(of["characters"], 1) > MINIFIED_SHARE) & dense


def _is_data(of: dict[str, np.ndarray], shares: dict[str, np.ndarray]) -> np.ndarray:
    table = of["table_lines"] / np.maximum(of["lines"], 1)
    tabular = (table > TABLE_SHARE) & (of["lines"] >= FEWEST_TABLE_LINES)
    return (shares["data_share"] > DATA_SHARE) | (shares["encoded_data_share"] > ENCODED_SHARE) | tabular


def _named(names: list[str], endings: tuple[str, ...]) -> np.ndarray:
    return np.array([name.endswith(endings) for name in names], bool)


def _heads(data: np.ndarray, offsets: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """The first ``lengths`` bytes of each row, at most ``MOST_HEAD``; a character may be cut at the end."""
    ends = np.minimum(offsets[:-1] + np.minimum(lengths, MOST_HEAD), offsets[1:])
    heads = [data[start:end].tobytes() for start, end in zip(offsets[:-1].tolist(), ends.tolist())]
    return pa.array(heads, pa.large_binary())


def _texts(heads: pa.Array, hint: str) -> list[tuple[int, str]]:
    """Rows that hold ``hint`` (RE2), as strings."""
    rows = np.flatnonzero(pc.match_substring_regex(heads, hint).to_numpy(zero_copy_only=False))
    return [(int(row), heads[int(row)].as_py().decode("utf-8", "ignore")) for row in rows]


def _generated(heads: pa.Array, names: list[str]) -> np.ndarray:
    found = np.array([generated_code.is_generated_name(name) for name in names], bool)
    for row, head in _texts(heads, generated_code.HINT):
        found[row] |= generated_code.is_marked(head)
    return found


def _licenses(headers: pa.Array, metas: list[Mapping[str, Any]]) -> list[str | None]:
    own = {row: licenses.find_in_header(header) for row, header in _texts(headers, licenses.HEADER_HINT)}
    return [own.get(row) or licenses.find_declared(meta) for row, meta in enumerate(metas)]
