"""The manual of a configuration: every field with its type, default and sentence, as ``--help`` prints it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from megatron_ko.config.schema import fields_of, key_inside, sections_of, type_name
from megatron_ko.tables import terminal_width, wrap

MAX_WIDTH = 110


def manual(root: type, sections: Collection[str] | None = None) -> str:
    """One entry per field of ``root`` (or of some of its ``sections``): dotted name, type, default, sentence."""
    return "\n".join(_describe_section(root, "", sections))


def describe_default(info: Any) -> str:
    """The default of a field as one writes it."""
    value = info.get_default(call_default_factory=True)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _describe_section(kind: Any, above: str, only: Collection[str] | None = None) -> Iterator[str]:
    for name, info in fields_of(kind).items():
        if only is not None and name not in only:
            continue
        path = f"{above}{name}"
        variants = sections_of(info.annotation)
        if not variants:
            yield from _describe_field(path, info)
            continue
        path += key_inside(info.annotation)
        yield f"  {path}:" if above else f"\n{path}:"
        yield from _wrap(info.description or "")
        if len(variants) == 1:
            yield from _describe_section(variants[0], f"{path}.")
        else:
            yield from _describe_variants(variants, f"{path}.")


def _describe_variants(variants: list[Any], above: str) -> Iterator[str]:
    """Each variant under its type; a field that an earlier variant has in the same form is only named."""
    known: dict[str, list[str]] = {}
    for variant in variants:
        repeated = []
        for name, info in fields_of(variant).items():
            if name == "type":
                default = "" if info.is_required() else f", default {describe_default(info)}"
                yield from _wrap_head(f"{above}type: {type_name(info.annotation)}{default}")
                yield from _wrap(info.description or "")
                continue
            lines = list(_describe_field(f"{above}{name}", info))
            if known.get(name) == lines:
                repeated.append(name)
            else:
                known[name] = lines
                yield from lines
        if repeated:
            yield from _wrap(f"and, as above: {', '.join(repeated)}.")


def _describe_field(path: str, info: Any) -> Iterator[str]:
    default = "required" if info.is_required() else f"default {describe_default(info)}"
    yield from _wrap_head(f"{path}: {type_name(info.annotation)}, {default}")
    yield from _wrap(info.description or "")


def _wrap_head(text: str) -> list[str]:
    """The line of a field: name, type and default; continued further to the right than its sentence."""
    return _fit(text, "  ", " " * 10)


def _wrap(text: str) -> list[str]:
    return _fit(" ".join(text.split()), " " * 6, " " * 6)


def _fit(text: str, first: str, others: str) -> list[str]:
    """Lines of ``text`` in the width of the terminal, each with its indent."""
    width = min(terminal_width(), MAX_WIDTH) - 2
    head, *rest = wrap(text, "", width - len(first))
    return [first + head, *wrap(" ".join(rest), others, width)] if rest else [first + head]
