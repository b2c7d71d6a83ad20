"""A configuration class as the command line of one command: some fields are inputs, the others ``--options``.

Owns the way from a class to argparse and from argparse to a validated object; all mistakes are reported at once, under
the names of the options.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, TypeVar, get_args, get_origin

from megatron_ko.config.cli import Parser
from megatron_ko.config.fields import is_path
from megatron_ko.config.loading import validate
from megatron_ko.config.manual import describe_default
from megatron_ko.config.schema import allows, alternatives_of, fields_of, is_list, literals_of
from megatron_ko.config.yaml_tree import NoneWord, Tree, parse_scalar
from megatron_ko.errors import ConfigError

C = TypeVar("C")
_METAVARS = {int: "N", float: "X"}


def options_parser(command: str, kind: type, inputs: Sequence[str]) -> Parser:
    """``inputs`` name the fields that are positional, in their order; the docstring of ``kind`` is the description."""
    fields = fields_of(kind)
    words = [name.upper() if fields[name].is_required() else f"[{name.upper()}]" for name in inputs]
    parser = Parser(
        prog=f"mko {command}",
        usage=" ".join([f"mko {command}", *words, "[options]"]),
        description=kind.__doc__,
        argument_default=argparse.SUPPRESS,
    )
    for name in inputs:
        # A missing input is reported with all other mistakes, hence "?".
        parser.add_argument(name, nargs="?", metavar=name.upper(), help=_as_help(fields[name].description))
    for name, info in fields.items():
        if name not in inputs:
            _add_option(parser, name, info)
    return parser


def _add_option(parser: Parser, name: str, info: Any) -> None:
    flag = _spell(name)
    sentence = _as_help(info.description)
    if allows(info.annotation, bool):
        if info.default:
            sentence = _with_note(sentence, "default: yes")
        action = argparse.BooleanOptionalAction if info.default else "store_true"
        parser.add_argument(flag, action=action, help=sentence)
        return
    if info.is_required():
        sentence = _with_note(sentence, "required")
    elif info.default is not None:
        sentence = _with_note(sentence, f"default: {_escape(describe_default(info))}")
    words = literals_of(info.annotation)
    parser.add_argument(
        flag,
        nargs="+" if is_list(info.annotation) else None,
        metavar="|".join(words) if words and len("|".join(words)) < 40 else _metavar(info),
        help=sentence,
    )
    if words:
        parser.words[name] = words


def _with_note(sentence: str, note: str) -> str:
    """The sentence and a note in parentheses, in those that it ends with if there are any."""
    return f"{sentence[:-1]}; {note})" if sentence.endswith(")") else f"{sentence} ({note})"


def _spell(name: str, inputs: Collection[str] = ()) -> str:
    """A field as the command line spells it: ``SRC``, ``--max-shard-gb``."""
    return name.upper() if name in inputs else "--" + name.replace("_", "-")


def _metavar(info: Any) -> str:
    """The word for the value in the help: that of the field's ``json_schema_extra``, or one for its type."""
    if isinstance(info.json_schema_extra, dict) and "metavar" in info.json_schema_extra:
        return str(info.json_schema_extra["metavar"])
    kinds = alternatives_of(info.annotation)
    kinds += [
        entry for kind in kinds if get_origin(kind) is list for entry in alternatives_of(get_args(kind)[0])
    ]
    return "PATH" if is_path(info) else next((_METAVARS[kind] for kind in kinds if kind in _METAVARS), "NAME")


def _as_help(sentence: str | None) -> str:
    """The sentence of a field as the help of an option: without a capital and a period."""
    text = _escape(sentence).removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() and not text.startswith("Hugging") else text


def _escape(text: str | None) -> str:
    return (text or "").replace("%", "%%")


def read_options(kind: type[C], parser: Parser, arguments: Sequence[str]) -> C:
    """Raises UsageError or ConfigError, which holds every mistake."""
    given = vars(parser.parse(arguments))
    inputs = {action.dest for action in parser._actions if not action.option_strings}
    tree = Tree()
    for name, value in given.items():
        if value is None:
            continue
        tree.data[name] = _typed(fields_of(kind)[name].annotation, value)
        tree.places[(name,)] = _spell(name, inputs)
    try:
        return validate(kind, tree).config
    except ConfigError as error:
        problems = [_rename(problem, inputs) for problem in error.problems]
        raise ConfigError(problems) from None


def _typed(annotation: Any, value: Any) -> Any:
    """The text of the command line as the field's type: text stays text, whatever it looks like."""
    if not isinstance(value, str):
        return [parse_scalar(item) for item in value] if isinstance(value, list) else value
    if value == "none":
        return NoneWord(value)
    if allows(annotation, str) or literals_of(annotation):
        return value
    return parse_scalar(value)


def _rename(problem: Any, inputs: set[str]) -> Any:
    name = problem.path.partition(".")[0]
    path = _spell(name, inputs)
    message = "missing" if problem.rule == "missing" else problem.message
    return dataclasses.replace(problem, where="", path=path, message=message)
