"""The word ``none`` in configurations: null wherever a field allows null, text everywhere else.

``--help`` documents null as ``none``, so it works in files, overrides and options alike. Where ``none`` is itself one of
the words of a field (``rope.scaling.type``), it stays that word. Quoted, it is text.
"""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_origin

from megatron_ko.config.schema import alternatives_of, fields_of, sections_of, takes_none_as_null
from megatron_ko.config.yaml_tree import NoneWord, Quoted


def replace_none(root: Any, data: Any) -> Any:
    """``data`` with every ``NoneWord`` as None or plain text, as ``root``, a configuration class, asks."""
    return _replace_in_section([root], data)


def _replace_in_section(kinds: list[Any], data: Any) -> Any:
    if not isinstance(data, dict):
        return _as_text(data)
    return {name: _replace_in_field(_infos(kinds, name, data), value) for name, value in data.items()}


def _infos(kinds: list[Any], name: str, data: dict[str, Any]) -> list[Any]:
    """Annotations of the field ``name`` in the variants that ``data`` can be, by its ``type``."""
    tagged = [kind for kind in kinds if _fits_tag(kind, data)] or kinds
    return [fields_of(kind)[name].annotation for kind in tagged if name in fields_of(kind)]


def _fits_tag(kind: Any, data: dict[str, Any]) -> bool:
    info = fields_of(kind).get("type")
    return info is not None and data.get("type") in get_args(info.annotation)


def _replace_in_field(annotations: list[Any], value: Any) -> Any:
    if isinstance(value, NoneWord):
        return None if any(map(takes_none_as_null, annotations)) else str(value)
    if isinstance(value, dict):
        if sections := [section for a in annotations for section in sections_of(a)]:
            if any(get_origin(member) is dict for a in annotations for member in alternatives_of(a)):
                return {name: _replace_in_section(sections, item) for name, item in value.items()}
            return _replace_in_section(sections, value)
        inside = [get_args(m)[1] for a in annotations for m in alternatives_of(a) if get_origin(m) is dict]
        return {name: _replace_in_field(inside, item) for name, item in value.items()}
    if isinstance(value, list):
        inside = [get_args(m)[0] for a in annotations for m in alternatives_of(a) if get_origin(m) is list]
        return [_replace_in_field(inside, item) for item in value]
    return value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, NoneWord) else value


def quote_none(config: Any) -> dict[str, Any]:
    """``dataclasses.asdict`` with the text ``none`` quoted where it would be read as null."""
    return {
        field.name: _quote_value(getattr(config, field.name), fields_of(type(config))[field.name].annotation)
        for field in dataclasses.fields(config)
    }


def _quote_value(value: Any, annotation: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return quote_none(value)
    if isinstance(value, dict):
        return {
            name: quote_none(item) if dataclasses.is_dataclass(item) else item for name, item in value.items()
        }
    if isinstance(value, list):
        return [quote_none(item) if dataclasses.is_dataclass(item) else item for item in value]
    return Quoted(value) if value == "none" and takes_none_as_null(annotation) else value
