"""Finds values inside of a record: ``a.b`` is the field b of the field a, ``a[].b`` the fields b of all elements of the list a."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from preprocessing.readers.bad_records import RecordError

SEPARATORS = ("\n", " ")  # between the elements of a list, and of the lists inside of it
_PART = re.compile(r"([^.\[\]]*)((?:\[\])*)")
_TYPES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


class Missing(LookupError):
    """A field that a path names is missing."""


def split_path(path: str) -> list[tuple[str, int]]:
    """``(name, lists)`` of each part of a path: the name of a field, and of how many nested lists it takes all elements."""
    parts = ((part, _PART.fullmatch(part)) for part in path.split("."))
    return [(found[1], len(found[2]) // 2) if found else (part, 0) for part, found in parts]


def name_of_type(value: Any) -> str:
    """What a value of JSON is, in words."""
    return "null" if value is None else _TYPES.get(type(value), type(value).__name__)


def step(value: Any, name: str, path: str) -> Any:
    """Field ``name`` of ``value``; ``path`` says in the error where it was sought. Raises Missing."""
    if not isinstance(value, Mapping):
        raise Missing(
            f"field {path!r} is missing, because {path.rpartition('.')[0] or 'the file'} is {name_of_type(value)}"
        )
    if name not in value:
        raise Missing(f"field {path!r} is missing; fields: {', '.join(map(str, value))[:120]}")
    return value[name]


def find_value(record: Mapping[str, Any], path: str, separators: Sequence[str] = SEPARATORS) -> Any:
    """The value at ``path``; the texts of lists are joined, those of the outermost list by the first of ``separators``.

    A field that is named like the whole path comes first. Elements that are null are left out. Raises Missing, and RecordError
    for ``[]`` behind what is no list, or for elements that are not text.
    """
    if path in record:
        return record[path]
    return _find(record, split_path(path), "", separators)


def _find(value: Any, parts: list[tuple[str, int]], done: str, separators: Sequence[str]) -> Any:
    for n, (name, lists) in enumerate(parts):
        done += ("." if done else "") + name
        value = step(value, name, done)
        if lists:
            return _join(value, lists, parts[n + 1 :], done, separators)
    return value


def _join(value: Any, lists: int, rest: list[tuple[str, int]], done: str, separators: Sequence[str]) -> str:
    if not isinstance(value, list):
        raise RecordError(
            f"field {done!r} is not a list but {name_of_type(value)}; write it without []", "not-a-list"
        )
    done, inner = f"{done}[]", separators[1:] or separators
    texts = []
    for one in value:
        text = _join(one, lists - 1, rest, done, inner) if lists > 1 else _find(one, rest, done, inner)
        if text is not None and not isinstance(text, str):
            raise RecordError(
                f"field {done!r} has {name_of_type(text)} among its elements, not text", "not-text"
            )
        texts += [] if text is None else [text]
    return separators[0].join(texts)
