"""The command line shared by training and planning: files and overrides in any order, plus a few switches.

Owns ``--help`` (every field of the schema with its sentence), ``--print-config`` and the split of
arguments into files and overrides.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Union, get_args, get_origin

_OVERRIDE = re.compile(r"^[A-Za-z_][\w-]*(\.[\w-]+)*=")


class Arguments(argparse.Namespace):
    """What the shared command line parses to."""

    config: list[str]
    print_config: bool
    dry_run: bool
    world_size: int | None


def parser(prog: str, description: str, root: type) -> argparse.ArgumentParser:
    """Positional arguments are configuration files and ``section.field=value`` overrides."""
    made = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="configuration fields (later files and overrides win):\n\n" + manual(root),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("config", nargs="*", help="CONFIG.yaml [more.yaml ...] [section.field=value ...]")
    made.add_argument("--print-config", action="store_true", help="print the resolved configuration and stop")
    made.add_argument(
        "--dry-run", action="store_true", help="check configuration and data, print the plan and stop"
    )
    made.add_argument("--world-size", type=positive, metavar="N", help="ranks to plan for (with --dry-run)")
    return made


def positive(text: str) -> int:
    """Type of an argument that counts something, such as ranks."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files and overrides: ``a=value`` and ``a.b=value`` are overrides, everything else is a file."""
    files = [a for a in arguments if not _OVERRIDE.match(a)]
    return files, [a for a in arguments if _OVERRIDE.match(a)]


def manual(root: type, sections: Collection[str] | None = None) -> str:
    """One line per field of the schema (of some of its sections when given): dotted name, type, default, sentence."""
    return "\n".join(_lines(root, "", sections))


def _lines(kind: Any, above: str, only: Collection[str] | None = None) -> Iterator[str]:
    for name, info in kind.__pydantic_fields__.items():
        if only is not None and name not in only:
            continue
        path = f"{above}{name}"
        variants: list[Any] = [
            member for member in _members(info.annotation) if dataclasses.is_dataclass(member)
        ]
        if not variants:
            yield from _field(path, info)
            continue
        if get_origin(info.annotation) is dict:
            path += ".NAME"
        yield f"  {path}:" if above else f"\n{path}:"
        yield from _sentence(info)
        if len(variants) == 1:
            yield from _lines(variants[0], f"{path}.")
        else:
            yield from _variants(variants, f"{path}.")


def _variants(variants: list[Any], above: str) -> Iterator[str]:
    """Each with its type; a field that an earlier one has alike is only named."""
    known: dict[str, list[str]] = {}
    for variant in variants:
        alike = []
        for name, info in variant.__pydantic_fields__.items():
            if name == "type":
                yield f"  {above}type: {_type_name(info.annotation)}"
                yield from _sentence(info)
                continue
            lines = list(_field(f"{above}{name}", info))
            if known.get(name) == lines:
                alike.append(name)
            else:
                known[name] = lines
                yield from lines
        if alike:
            yield from _wrapped(f"and, as above: {', '.join(alike)}.")


def _field(path: str, info: Any) -> Iterator[str]:
    default = "required" if info.is_required() else f"default {_shown(info)}"
    yield f"  {path}: {_type_name(info.annotation)}, {default}"
    yield from _sentence(info)


def _sentence(info: Any) -> list[str]:
    return _wrapped(info.description or "")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent="      ", subsequent_indent="      ")


def _shown(info: Any) -> str:
    value = info.get_default(call_default_factory=True)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return str(value)


def _members(annotation: Any) -> list[Any]:
    """The types an annotation allows; of a mapping, those of its values."""
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _members(arguments[1])
    if getattr(annotation, "__metadata__", None):
        return _members(arguments[0])
    if get_origin(annotation) is Union:
        return [member for part in arguments for member in _members(part)]
    return [annotation]


_NAMES = {
    int: "integer", float: "number", str: "text", bool: "true/false", type(None): "none",
    dict: "mapping", list: "list", Any: "anything",
}  # fmt: skip


def _type_name(annotation: Any) -> str:
    if annotation in _NAMES:
        return _NAMES[annotation]
    arguments = get_args(annotation)
    if getattr(annotation, "__metadata__", None):
        return _type_name(arguments[0])
    if arguments and all(isinstance(a, str) for a in arguments):
        return " | ".join(arguments)
    origin = get_origin(annotation)
    if origin in (list, dict):
        return f"{_NAMES[origin]} of {_type_name(arguments[-1])}"
    return " or ".join(_type_name(a) for a in arguments)
