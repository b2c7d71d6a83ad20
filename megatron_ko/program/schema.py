"""``mko schema``: the JSON schema of a configuration, with which editors complete, explain and check YAML."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from megatron_ko.config.cli import Parser
from megatron_ko.config.schema import FILE_FIELDS, fields_of, sections_of
from megatron_ko.errors import exit_code_of

SCHEMAS = {
    "data": ("preprocessing.config.pipeline", "configuration of mko data"),
    "train": ("megatron_ko.config.training", "configuration of mko train"),
}


def parser() -> Parser:
    made = Parser(
        prog="mko schema",
        description="Prints the JSON schema of a configuration. Editors with yaml-language-server "
        "find it through the first line of a file:\n\n  # yaml-language-server: $schema=PATH",
    )
    made.add_argument("name", choices=tuple(SCHEMAS), help="configuration of mko data or of mko train")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    print(json.dumps(json_schema(given.name), indent=1, ensure_ascii=False))
    return 0


def json_schema(name: str) -> dict[str, Any]:
    """Schema of ``data`` or ``train``, draft 2020-12. Where null is allowed, the word ``none`` is, too."""
    from importlib import import_module

    from pydantic import TypeAdapter

    module, title = SCHEMAS[name]
    root = import_module(module).Config
    schema = TypeAdapter(root).json_schema()
    _add_file_fields(schema["$defs"], root)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_allow_none_word(schema),
        "title": f"megatron_ko: {title}",
    }


def _add_file_fields(definitions: dict[str, Any], root: type) -> None:
    """Adds the fields that only files have; where one is written, no other field of its section is required."""
    from pydantic import TypeAdapter

    for section in {s for info in fields_of(root).values() for s in sections_of(info.annotation)}:
        for name, info in getattr(section, FILE_FIELDS, {}).items():
            definition = definitions[section.__name__]
            field = {**TypeAdapter(info.annotation).json_schema(), "description": info.description}
            definition["properties"] = {name: {**field, "default": None}, **definition["properties"]}
            definition["anyOf"] = [{"required": [name]}, {"required": definition.pop("required")}]


def _allow_none_word(node: Any) -> Any:
    if isinstance(node, list):
        return [_allow_none_word(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "null":
        return {"enum": [None, "none"]}
    return {name: _allow_none_word(item) for name, item in node.items()}
