"""What is wrong with a value where a field takes words or a list: the syntax, the choices, the word that was meant.

Owns these sentences, one per field: pydantic reports each alternative of a union by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from megatron_ko.config.schema import (
    fields_of,
    is_list,
    key_inside,
    literals_of,
    sections_of,
    words_of_entries,
)
from megatron_ko.config.suggestions import nearest_name
from megatron_ko.config.yaml_tree import Keys, format_value

_KINDS = ("list_type", "literal_error")


def explain_choice(root: Any, item: Any, keys: Keys, data: Any) -> tuple[Keys, str, str] | None:
    """``(keys, message, kind of pydantic's error)`` for ``item``, an error at ``keys`` of ``data``; None if it is another
    mistake. Errors of the alternatives of one field have the same result."""
    if item["type"] not in _KINDS:
        return None
    info, depth = field_at(root, keys, data)
    annotation, field = info.annotation, keys[:depth]
    value = _value_at(data, field)
    if not is_list(annotation):
        words = literals_of(annotation)
        return (field, _wrong_word(value, words), "literal_error") if words else None
    words = words_of_entries(annotation)
    if not isinstance(value, list):
        return (
            field,
            _not_a_list(value, words, literals_of(annotation), bool(sections_of(annotation))),
            "list_type",
        )
    position = next((part for part in keys[depth:] if part.isdigit()), None)
    if position is None:  # the alternative to the list, such as the word off
        position = next((str(n) for n, entry in enumerate(value) if entry not in words), "0")
    return (*field, position), _wrong_word(value[int(position)], words), "literal_error"


def field_at(root: Any, keys: Keys, data: Any) -> tuple[Any, int]:
    """pydantic's FieldInfo of the field that ``keys`` lead to or into, and how many of the keys name it."""
    kinds, depth = [root], 0
    while True:
        kinds = _fitting(kinds, _value_at(data, keys[:depth])) or kinds
        info = next(fields_of(k)[keys[depth]] for k in kinds if keys[depth] in fields_of(k))
        depth += 1
        inside = sections_of(info.annotation)
        enters = 1 if key_inside(info.annotation) else 0
        if not inside or len(keys) <= depth + enters:
            return info, depth
        kinds, depth = inside, depth + enters


def _fitting(kinds: Sequence[Any], data: Any) -> list[Any]:
    """The variants that ``data`` can be, by its ``type``."""
    tag = data.get("type") if isinstance(data, dict) else None
    return [
        kind for kind in kinds if tag in literals_of(getattr(fields_of(kind).get("type"), "annotation", None))
    ]


def _value_at(data: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def _wrong_word(value: Any, words: Sequence[str]) -> str:
    return f"{format_value(value)}: is not one of {', '.join(words)}{_meant(value, words, '{}')}"


def _not_a_list(value: Any, words: Sequence[str], others: Sequence[str], of_sections: bool) -> str:
    shown = "is empty" if value is None else f"{format_value(value)}: is not a list"
    choice = "".join(f"{word} or " for word in others)
    if of_sections:
        return f"{shown}; write {choice}a list of entries, each with its keys"
    if not words:
        entry = value if isinstance(value, str) and len(value) < 60 else "a, b"
        return f"{shown}; write {choice}[{entry}]"
    meant = _meant(value, [*words, *others], "[{}]", others)
    if value in ("none", "off"):
        meant = "; an empty list is []"
    return f"{shown}; write {choice}a list such as [{', '.join(words[:2])}], of {', '.join(words)}{meant}"


def _meant(value: Any, words: Sequence[str], form: str, plain: Sequence[str] = ()) -> str:
    """``; did you mean [rrn]?`` where a word, or several between commas, are near."""
    if not isinstance(value, str) or not words:
        return ""
    parts = [part.strip() for part in value.split(",")]
    near = [part if part in words else nearest_name(part, words) for part in parts]
    if not all(near):
        return ""
    meant = ", ".join(map(str, near))
    return f"; did you mean {meant if meant in plain else form.format(meant)}?"
