"""Files and overrides to one validated, frozen tree.

Owns validation against a schema and the report of all mistakes at once with file and line; reading is
``yaml_tree``'s. Knows nothing of what a field means.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Generic, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.bounds import KEY, describe_numbers
from megatron_ko.config.choices import explain_choice, field_at
from megatron_ko.config.none_word import quote_none, replace_none
from megatron_ko.config.schema import fields_of, key_inside, paths_of, sections_of
from megatron_ko.config.sections import other_programs
from megatron_ko.config.suggestions import SYNONYMS, nearest_name
from megatron_ko.config.yaml_tree import COMMAND_LINE, Keys, Tree, dump, format_value
from megatron_ko.errors import ConfigError, Problem

C = TypeVar("C")


@dataclasses.dataclass(frozen=True)
class Rule:
    """A check over whole sections: ``check(*sections)`` yields ``(dotted path, message)`` pairs.

    It runs whenever the sections it names are valid, also when others are not.
    """

    sections: tuple[str, ...]
    check: Callable[..., Iterable[tuple[str, str]]]

    @property
    def name(self) -> str:
        """The check's name in words, as ``Problem.rule`` has it."""
        return self.check.__name__.strip("_").replace("_", "-")


@dataclasses.dataclass(frozen=True)
class Loaded(Generic[C]):
    """A valid configuration and where each of its keys was written."""

    config: C
    places: dict[Keys, str]
    borrowed: dict[Keys, str] = dataclasses.field(default_factory=dict)
    """Keys that no configuration contains, with the file that their values come from."""

    @functools.cached_property
    def text(self) -> str:
        """``to_yaml`` of the configuration."""
        return to_yaml(self.config)

    def problem(self, path: str, message: str, rule: str = "", remedy: str = "") -> Problem:
        return Problem(_place(self.places, tuple(path.split("."))), path, message, rule, remedy)


def load(
    root: type[C],
    files: Sequence[str],
    overrides: Sequence[str],
    rules: Sequence[Rule] = (),
    complete: Callable[[Tree], None] | None = None,
) -> Loaded[C]:
    """Composes ``files`` left to right, applies ``overrides`` and validates against ``root``.

    ``complete`` replaces fields that only files have by those that they stand for. Raises ConfigError with every mistake
    of every file, as ``file:line: path: what; what to do``.
    """
    tree = Tree()
    for file in files:
        tree.add_file(file)
    if problems := other_programs(root, tree.sections):
        raise ConfigError(problems)
    for override in overrides:
        tree.add_override(override)
    if complete is not None:
        complete(tree)
    return validate(root, tree, rules)


def validate(root: type[C], tree: Tree, rules: Sequence[Rule] = ()) -> Loaded[C]:
    """The configuration in ``tree``. Raises ConfigError with every mistake."""
    if not tree.complete:
        raise ConfigError(tree.problems)
    tree.data = _add_default_types(root, spell_out_types(root, replace_none(root, tree.data)))
    problems = tree.problems
    config: C | None = None
    sections: dict[str, Any] = {}
    try:
        config = _adapter(root).validate_python(tree.data, context=sections)
    except ValidationError as error:
        problems += dict.fromkeys(_explain(root, tree, item) for item in error.errors(include_url=False))
        sections = _valid_sections(root, tree.data, error)
    problems += _broken_rules(root, tree, rules, sections)
    if problems or config is None:
        raise ConfigError(sorted(problems, key=_by_place))
    return Loaded(config, tree.places, tree.borrowed)


def _add_default_types(root: Any, data: Any) -> Any:
    """``data`` with the default ``type`` in each top-level section that has variants and does not name one."""
    added = {}
    for name, info in fields_of(root).items():
        types = [
            fields_of(kind)["type"] for kind in sections_of(info.annotation) if "type" in fields_of(kind)
        ]
        defaults = [field.default for field in types if not field.is_required()]
        value = data.get(name)
        if len(types) > 1 and defaults and isinstance(value, dict) and "type" not in value:
            added[name] = {"type": defaults[0], **value}
    return {**data, **added}


def spell_out_types(kind: Any, data: Any) -> Any:
    """``data`` of a section with ``{type: WORD}`` for each word that names the type of a variant: ``fp8: tensorwise``."""
    if not isinstance(data, dict):
        return data
    result = dict(data)
    for name, info in fields_of(kind).items():
        variants = sections_of(info.annotation)
        value = result.get(name)
        if isinstance(value, str) and any(_has_tag(variant, value) for variant in variants):
            result[name] = {"type": value}
        elif isinstance(value, dict) and len(variants) == 1 and not key_inside(info.annotation):
            result[name] = spell_out_types(variants[0], value)
        elif isinstance(value, list) and len(variants) == 1:
            result[name] = [spell_out_types(variants[0], entry) for entry in value]
    return result


def read_recorded(root: type[C], content: Any) -> C:
    """The configuration that a checkpoint recorded, in the spelling of today or an earlier one. Raises pydantic's
    ValidationError."""
    return TypeAdapter(root).validate_python(spell_out_types(root, content))


def to_yaml(config: Any) -> str:
    """The whole tree with its defaults, loadable again."""
    return dump(quote_none(config))


def with_sources(text: str, borrowed: dict[Keys, str]) -> str:
    """``to_yaml``'s text with a comment behind each value of ``borrowed``: the file that it comes from."""
    lines, keys = [], []
    for line in text.splitlines():
        name, colon, value = line.lstrip().partition(":")
        depth = (len(line) - len(line.lstrip())) // 2
        keys = [*keys[:depth], name]
        file = next(
            (borrowed[k] for n in range(len(keys), 0, -1) if (k := tuple(keys[:n])) in borrowed), None
        )
        lines.append(f"{line}  # {file}" if file and colon and value else line)
    return "\n".join(lines) + "\n"


@functools.cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def problem_of(where: str, item: Any, message: str) -> Problem:
    """The Problem for ``item``, one of the ``errors()`` of pydantic, about the file ``where``."""
    return Problem(where, ".".join(map(str, item["loc"])), message, item["type"].replace("_", "-"))


def explain_fields(root: Any, data: dict[str, Any], error: ValidationError) -> list[Problem]:
    """The problems of ``data``, which is not from a configuration, in the words of one; ``where`` is left to the caller."""
    tree = Tree()
    tree.data = data
    return [
        dataclasses.replace(_explain(root, tree, item), where="") for item in error.errors(include_url=False)
    ]


# --- explaining ------------------------------------------------------------------------------------------


def _place(places: dict[Keys, str], keys: Keys) -> str:
    """Where ``keys`` was written, or the nearest level above it."""
    while keys:
        if keys in places:
            return places[keys]
        keys = keys[:-1]
    return next(iter(places.values()), COMMAND_LINE).rsplit(":", 1)[0] if places else COMMAND_LINE


def _by_place(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (problem.where, 0)


_NUMBER_ERRORS = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "float_type",
}
_NUMBER_ERRORS |= {"int_type", "int_parsing", "int_parsing_size", "int_from_float"}


def _numbers_at(root: Any, keys: Keys, data: Any) -> str | None:
    """The numbers that the field at ``keys`` takes."""
    info, _ = field_at(root, keys, data)
    return describe_numbers(info, in_key=keys[-1] == KEY)


_RULES = {"unexpected_keyword_argument": "unknown_key", "value_error": "invalid_value"}
"""Names of rules that pydantic calls otherwise."""


def _explain(root: Any, tree: Tree, item: Any) -> Problem:
    keys = real_keys(item["loc"], tree.data)
    kind, seen = item["type"], item["input"]
    if choice := explain_choice(root, item, keys, tree.data):
        keys, message, kind = choice
        return Problem(_place(tree.places, keys), ".".join(keys), message, kind.replace("_", "-"))
    not_a_mapping = kind in ("dataclass_type", "model_attributes_type", "dict_type")
    if kind == "unexpected_keyword_argument":
        message = f"unknown key; {_suggest(root, item['loc'][:-1], keys[-1])}"
    elif kind == "missing":
        message = f"missing; write '{keys[-1]}: ...'"
    elif kind == "union_tag_not_found":
        keys, message = (*keys, "type"), "missing; write 'type: ...' with one of the documented names"
    elif kind == "union_tag_invalid":
        tag, known = item["ctx"]["tag"], item["ctx"]["expected_tags"]
        near = nearest_name(tag, known.replace("'", "").split(", "))
        keys = (*keys, "type")
        message = f"{tag!r} is unknown; {f'did you mean {near!r}? ' if near else ''}use one of {known}"
    elif not_a_mapping and isinstance(seen, str) and (words := _types_at(root, item["loc"])):
        near = nearest_name(seen, words)
        message = f"{format_value(seen)}: is not one of {', '.join(words)}" + (
            f"; did you mean {near}?" if near else ""
        )
        kind = "unknown-type"
    elif not_a_mapping and seen is None:
        message = "is empty; write its keys below it or remove the line"
    elif not_a_mapping:
        message = f"{format_value(seen)}: is not a mapping; write its keys below it"
    elif kind in _NUMBER_ERRORS and (numbers := _numbers_at(root, keys, tree.data)):
        message = f"{format_value(seen)}: must be {numbers}"
    else:
        message = f"{format_value(seen)}: {in_plain_words(item['msg'])}"
    rule = _RULES.get(kind, kind).replace("_", "-")
    return Problem(_place(tree.places, keys), ".".join(keys), message, rule)


def in_plain_words(text: str) -> str:
    """A sentence of pydantic, such as "Input should be a valid string"."""
    text = text.removeprefix("Value error, ").replace("Input should", "must").replace("should", "must")
    for theirs, ours in _PLAIN_WORDS.items():
        text = text.replace(theirs, ours)
    return text[0].lower() + text[1:]


_PLAIN_WORDS = {"a valid string": "text", "a valid integer": "an integer", "a valid number": "a number"}
_PLAIN_WORDS |= {"a valid boolean": "true or false"}


def _suggest(root: Any, loc: Sequence[str | int], name: str) -> str:
    """What ``name``, unknown in the section at ``loc``, probably stands for: a field there, or one of another section."""
    if others := _other_types(root, loc, name):
        return f"type: {loc[-1]} does not take it, only {', '.join(others)}; remove it"
    known = _known_names(root, loc)
    meant = {name, SYNONYMS.get(name, name)}
    elsewhere = [path for path in dict.fromkeys(paths_of(root)) if path.rpartition(".")[2] in meant]
    # entries of lists, such as stages, have fields of the sections
    elsewhere = [path for path in elsewhere if ".N." not in path] or elsewhere
    if len(elsewhere) == 1 and not meant & set(known) and (name in SYNONYMS or not nearest_name(name, known)):
        if elsewhere == [name]:
            return f"it is a key of the whole file; known here: {', '.join(known)}"
        return f"did you mean '{elsewhere[0]}'?"
    if near := nearest_name(name, known):
        return f"did you mean '{near}'?"
    return f"known: {', '.join(known)}"


def real_keys(loc: Sequence[str | int], data: Any) -> Keys:
    """pydantic's location without the tags of unions, which it inserts once where a mapping has a ``type``."""
    keys: list[str] = []
    inserted = False
    for part in loc:
        inserted = not inserted and isinstance(data, dict) and data.get("type") == part
        if not inserted:
            keys.append(str(part))
            data = _child(data, part)
    return tuple(keys)


def _child(data: Any, part: str | int) -> Any:
    """What ``data`` contains at ``part``, a key of a mapping or a number of a list; None if there is nothing."""
    if isinstance(data, list) and str(part).isdigit() and int(part) < len(data):
        return data[int(part)]
    return data.get(part) if isinstance(data, dict) else None


def _other_types(root: Any, loc: Sequence[str | int], name: str) -> list[str]:
    """Types of the other variants of the section at ``loc`` that have the field ``name``; none if ``loc`` ends with no type."""
    variants = _kinds_at(root, loc[:-1]) if loc else []
    if not any(_has_tag(kind, loc[-1]) for kind in variants):
        return []
    having = [kind for kind in variants if name in fields_of(kind) and "type" in fields_of(kind)]
    return [word for kind in having for word in get_args(fields_of(kind)["type"].annotation)]


def _known_names(root: Any, loc: Sequence[str | int]) -> list[str]:
    """Field names of the section at ``loc`` of the schema."""
    return list(dict.fromkeys(name for kind in _kinds_at(root, loc) for name in fields_of(kind)))


def _types_at(root: Any, loc: Sequence[str | int]) -> list[str]:
    """The types of the variants at ``loc`` of the schema; none if it has no variants."""
    infos = [fields_of(kind).get("type") for kind in _kinds_at(root, loc)]
    return [word for info in infos if info is not None for word in get_args(info.annotation)]


def _kinds_at(root: Any, loc: Sequence[str | int]) -> list[Any]:
    """The configuration classes at ``loc`` of the schema, which also contains tags of unions and keys of mappings."""
    kinds = [root]
    for part in loc:
        infos = [fields_of(kind)[str(part)] for kind in kinds if part in fields_of(kind)]
        tagged = [kind for kind in kinds if _has_tag(kind, part)]
        if infos:
            kinds = [section for info in infos for section in sections_of(info.annotation)]
        elif tagged:
            kinds = tagged
    return kinds


def _has_tag(kind: Any, part: str | int) -> bool:
    info = fields_of(kind).get("type")
    return info is not None and part in get_args(info.annotation)


def _broken_rules(root: Any, tree: Tree, rules: Sequence[Rule], sections: dict[str, Any]) -> list[Problem]:
    """Runs each rule whose sections are valid or left out."""
    if not rules:
        return []
    defaults = {
        name: info.get_default(call_default_factory=True)
        for name, info in fields_of(root).items()
        if tree.data.get(name) is None and not info.is_required()
    }
    sections = {**sections, **defaults}
    problems = []
    for rule in rules:
        if all(name in sections for name in rule.sections):
            for path, message in rule.check(*(sections[name] for name in rule.sections)):
                place = _place(tree.places, tuple(path.split(".")))
                problems.append(Problem(place, path, message, rule.name))
    return problems


def _valid_sections(root: Any, data: Any, error: ValidationError) -> dict[str, Any]:
    """The sections of ``data`` that are valid without their unknown keys; ``error`` is what is wrong with ``data``."""
    sections: dict[str, Any] = {}
    data = deepcopy(data)
    for item in error.errors(include_url=False):
        if item["type"] == "unexpected_keyword_argument":
            keys = real_keys(item["loc"], data)
            parent = functools.reduce(_child, keys[:-1], data)
            parent.pop(keys[-1])
    with contextlib.suppress(ValidationError):
        _adapter(root).validate_python(data, context=sections)
    return sections
