"""What a configuration class allows: its fields, the types of each, and which of them take ``none``.

Owns reading of pydantic's annotations; the manual, the loader and command-line options use it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

TYPE_NAMES = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true/false",
    type(None): "none",
    Any: "any value",
}
FILE_FIELDS = "__file_fields__"
"""Attribute of a section: fields of configuration files that are replaced by others before the section is built."""
_PLURALS = {"integer": "integers", "number": "numbers", "text": "texts", "any value": "any values"}


def fields_of(kind: Any) -> dict[str, Any]:
    """Name and pydantic's FieldInfo of every field of a section, also of those that only files have."""
    return {**getattr(kind, FILE_FIELDS, {}), **kind.__pydantic_fields__}


def members_of(annotation: Any) -> list[Any]:
    """The types that an annotation allows; of a mapping, those of its values."""
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return members_of(arguments[1])
    return alternatives_of(annotation)


def alternatives_of(annotation: Any) -> list[Any]:
    """The types that an annotation allows, each without its bounds."""
    arguments = get_args(annotation)
    if getattr(annotation, "__metadata__", None):
        return alternatives_of(arguments[0])
    if get_origin(annotation) is Union or isinstance(annotation, _UNION):
        return [member for part in arguments for member in alternatives_of(part)]
    return [annotation]


_UNION = type(int | str)


def sections_of(annotation: Any) -> list[Any]:
    """The configuration classes among ``members_of``, also those of the entries of a list."""
    members = [
        entry
        for member in members_of(annotation)
        for entry in (alternatives_of(get_args(member)[0]) if get_origin(member) is list else (member,))
    ]
    return [member for member in members if dataclasses.is_dataclass(member)]


def is_list(annotation: Any) -> bool:
    """Whether one of the alternatives is a list."""
    return any(get_origin(member) is list for member in alternatives_of(annotation))


def words_of_entries(annotation: Any) -> list[str]:
    """The words that the entries of a list allow, such as ``ko`` and ``en``."""
    lists = [member for member in alternatives_of(annotation) if get_origin(member) is list]
    return [word for member in lists for word in literals_of(get_args(member)[0])]


def literals_of(annotation: Any) -> list[str]:
    """The words that an annotation allows, such as ``cpu`` and ``cuda``."""
    return [
        value
        for member in alternatives_of(annotation)
        for value in get_args(member)
        if isinstance(value, str)
    ]


def allows(annotation: Any, kind: type) -> bool:
    """Whether ``kind`` is one of the alternatives; ``none`` is ``type(None)``."""
    return kind in alternatives_of(annotation)


def takes_none_as_null(annotation: Any) -> bool:
    """Whether the word ``none`` means null: where null is allowed and ``none`` is not a word of its own."""
    return allows(annotation, type(None)) and "none" not in literals_of(annotation)


def type_name(annotation: Any) -> str:
    """``integer or none``, ``cpu | cuda``, ``list of numbers``, ``numbers by name``, ``list of entries``."""
    arguments = get_args(annotation)
    if annotation in TYPE_NAMES:
        return TYPE_NAMES[annotation]
    if getattr(annotation, "__metadata__", None):
        return type_name(arguments[0])
    if arguments and all(isinstance(argument, str) for argument in arguments):
        return " | ".join(arguments)
    if get_origin(annotation) is list:
        return f"list of {_plural_of(arguments[0])}"
    if get_origin(annotation) is dict:
        return f"{_plural_of(arguments[1])} by name"
    return " or ".join(type_name(argument) for argument in arguments) or "entry"


def _plural_of(annotation: Any) -> str:
    """``numbers``, ``numbers or none``; words stay as they are."""
    names = type_name(annotation)
    if names == "entry":
        return "entries"
    return " or ".join(_PLURALS.get(name, name) for name in names.split(" or "))


def key_inside(annotation: Any) -> str:
    """What follows the path of a field in the paths of its sections: ``.NAME`` in a mapping, ``.N`` in a list."""
    if get_origin(annotation) is dict:
        return ".NAME"
    return ".N" if is_list(annotation) else ""


def paths_of(root: Any, above: str = "") -> Iterator[str]:
    """Dotted path of every field of the tree, through all variants; NAME stands for the keys of a
    mapping, N for the entries of a list."""
    for name, info in fields_of(root).items():
        path = f"{above}{name}"
        yield path
        inside = f"{path}{key_inside(info.annotation)}."
        for section in sections_of(info.annotation):
            yield from paths_of(section, inside)
