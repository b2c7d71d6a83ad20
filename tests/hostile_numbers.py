"""Every numeric field of a configuration class, found by walking its schema, and configurations with one of them changed."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import signal
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, MinLen

from megatron_ko.config.schema import alternatives_of, fields_of, literals_of, sections_of
from megatron_ko.config.yaml_tree import Tree, parse_scalar

NUMBERS = (
    "0", "-1", "1e-9", "1e9", "1e18", "1e300", ".nan", ".inf", "-.inf", "2.0", "true", "'1'", str(10**9), str(10**18),
    str(10**40), str(10**399),
)  # fmt: skip
"""As a file has them."""
PLACE, NAME = "@@", "ko"
CPU_S = 2.0


@dataclasses.dataclass(frozen=True)
class Field:
    """``path``: dotted, without keys of mappings; ``value``: the field's with PLACE for the number; ``data``: a configuration with it."""

    owner: type
    name: str
    path: str
    value: Any
    data: dict[str, Any]

    def tree(self, number: str) -> Tree:
        """The configuration with the number, as the loader reads it from a file."""
        tree = Tree()
        tree.data = _replace(self.data, number)
        return tree


def _replace(data: Any, number: str) -> Any:
    if isinstance(data, dict):  # a key is text
        return {number if key == PLACE else key: _replace(value, number) for key, value in data.items()}
    if isinstance(data, list):
        return [_replace(entry, number) for entry in data]
    return value_of(number) if data == PLACE else data


def value_of(number: str) -> Any:
    return number.strip("'") if number.startswith("'") else parse_scalar(number)


def numeric_fields(root: type, valid: dict[str, Any]) -> list[Field]:
    """Each numeric field of each class below ``root`` once; ``valid`` is a configuration."""
    found: dict[tuple[type, str, str], Field] = {}
    for field in _walk(root, valid, (), ""):
        found.setdefault((field.owner, field.name, repr(field.value)), field)
    return list(found.values())


def _walk(kind: type, valid: dict[str, Any], keys: tuple[Any, ...], path: str) -> Iterator[Field]:
    for name, info in fields_of(kind).items():
        here = f"{path}{name}"
        for value in _placed(info.annotation, info.metadata):
            yield Field(kind, name, here, value, _with(valid, (*keys, name), value))
        for section in sections_of(info.annotation):
            inside = _inside(info.annotation)
            before = _at(valid, (*keys, name, *inside))
            tags = literals_of(getattr(fields_of(section).get("type"), "annotation", None))
            same = isinstance(before, dict) and (not tags or before.get("type") in tags)
            made = before if same else _example_of(section)
            wrapped: Any = made
            for key in reversed(inside):
                wrapped = {key: wrapped} if key == NAME else [wrapped]
            deeper = valid if same else _with(valid, (*keys, name), wrapped)
            yield from _walk(section, deeper, (*keys, name, *inside), f"{here}.")


def _inside(annotation: Any) -> tuple[Any, ...]:
    for member in alternatives_of(annotation):
        if get_origin(member) in (dict, list):
            return (NAME if get_origin(member) is dict else 0, *_inside(get_args(member)[-1]))
    return ()


def _placed(annotation: Any, metadata: Any = ()) -> Iterator[Any]:
    """Values of the field with PLACE for a number."""
    members = alternatives_of(annotation)
    if int in members or float in members:
        yield PLACE
    for member in members:
        arguments = get_args(member)
        if get_origin(member) is list:
            least = max((m.min_length for m in metadata if isinstance(m, MinLen)), default=1)
            yield from ([value] * least for value in _placed(arguments[0]))
        elif get_origin(member) is dict:
            key = NAME if str in alternatives_of(arguments[0]) else "2"
            yield from ({key: value} for value in _placed(arguments[1]))
            if int in alternatives_of(arguments[0]):
                yield {PLACE: _example(arguments[1], ())}


def _example_of(section: type) -> dict[str, Any]:
    infos = fields_of(section).items()
    return {name: _example(info.annotation, info.metadata) for name, info in infos if info.is_required()}


def _example(annotation: Any, metadata: Any) -> Any:
    metadata = (*metadata, *getattr(annotation, "__metadata__", ()))
    member = alternatives_of(annotation)[0]
    if words := literals_of(annotation):
        return words[0]
    if dataclasses.is_dataclass(member):
        return _example_of(member)  # type: ignore[arg-type]
    if get_origin(member) is list:
        return [_example(get_args(member)[0], ())]
    if get_origin(member) is dict:
        return {NAME: _example(get_args(member)[1], ())}
    if member in (int, float):
        flat = [part for item in metadata for part in getattr(item, "metadata", [item])]
        lows: list[Any] = [m.ge for m in flat if isinstance(m, Ge)]
        lows += [m.gt + 1 for m in flat if isinstance(m, Gt)]  # type: ignore[operator]
        return member(max(lows, default=1))
    return {bool: False, str: "x"}[member]


def _at(data: Any, keys: tuple[Any, ...]) -> Any:
    for key in keys:
        if not (isinstance(data, dict) and key in data or isinstance(data, list) and data):
            return None
        data = data[key]
    return data


def _with(data: dict[str, Any], keys: tuple[Any, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(data)
    target: Any = result
    for key in keys[:-1]:
        target = target.setdefault(key, {}) if isinstance(target, dict) else target[key]
    target[keys[-1]] = value
    return result


def is_shown(number: str, message: str) -> bool:
    """Whether a message contains the start of the number, as a value or as a key, which is text."""
    value = number if number.startswith("'") else repr(parse_scalar(number))[:8]
    spelled = {"True": "true", "False": "false", "None": "none"}.get(value, value)
    return spelled in message or f"'{number}'"[:8] in message


@contextlib.contextmanager
def cpu_limit(what: str) -> Iterator[None]:
    """Fails a hang after CPU_S seconds of this process."""

    def fail(*_: Any) -> None:
        raise AssertionError(f"{what}: more than {CPU_S} s")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
