"""Finds fields of ``meta_fields`` that no record has, such as misspelt ones: a record without one is no mistake."""

# pyarrow.compute defines its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Collection, Mapping

import orjson
import pyarrow as pa
import pyarrow.compute as pc


def leave_out_found(names: Collection[str], meta: pa.Array) -> list[str]:
    """The ``names`` that no document has in its ``meta``, a string column of JSON objects."""

    def is_found(name: str) -> bool:
        key = orjson.dumps(name).decode() + ":"  # in texts of JSON its quotation marks are escaped
        return pc.any(pc.match_substring(meta, key)).as_py() is True

    return sorted(name for name in names if not is_found(name))


def find_missing(units: Mapping[str, list[list[str]]]) -> dict[str, list[str]]:
    """Fields that no unit of an input has, by input, from those that each of its units misses; inputs without any are left out."""
    missing = {name: sorted(set.intersection(*map(set, of_units))) for name, of_units in units.items()}
    return {name: fields for name, fields in missing.items() if fields}
