"""YAML files and ``section.field=value`` overrides to one validated, frozen tree.

Owns YAML 1.2 scalars, composition (later wins), and the report of all mistakes at once with file and line.
Refuses duplicate keys, anchors and tags. Knows nothing of what a field means.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import yaml
from pydantic import TypeAdapter, ValidationError
from yaml.composer import ComposerError

from megatron_ko.errors import ConfigError, Problem

C = TypeVar("C")
Keys = tuple[str, ...]
COMMAND_LINE = "command line"
MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 20


@dataclasses.dataclass(frozen=True)
class Rule:
    """A check over whole sections: ``check(*sections)`` yields ``(dotted path, message)`` pairs.

    It runs whenever the sections it names are valid, also when others are not.
    """

    sections: tuple[str, ...]
    check: Callable[..., Iterable[tuple[str, str]]]


@dataclasses.dataclass(frozen=True)
class Loaded(Generic[C]):
    """A valid configuration and where each of its keys was written."""

    config: C
    places: dict[Keys, str]

    def problem(self, path: str, message: str) -> Problem:
        return Problem(_place(self.places, tuple(path.split("."))), path, message)


def load(
    root: type[C], files: Sequence[str], overrides: Sequence[str], rules: Sequence[Rule] = ()
) -> Loaded[C]:
    """Composes ``files`` left to right, applies ``overrides`` and validates against ``root``.

    Raises ConfigError with every mistake of every file, as ``file:line: path: what; what to do``.
    """
    tree = _Tree()
    for file in files:
        tree.add_file(file)
    for override in overrides:
        tree.add_override(override)
    if not tree.complete:
        raise ConfigError(tree.problems)
    problems = tree.problems
    config = None
    try:
        config = _adapter(root).validate_python(tree.data)
    except ValidationError as error:
        problems += [_explain(root, tree, item) for item in error.errors(include_url=False)]
    problems += _broken_rules(root, tree, rules)
    if problems or config is None:
        raise ConfigError(sorted(problems, key=_by_place))
    return Loaded(config, tree.places)


def to_yaml(config: Any) -> str:
    """The whole tree with its defaults, loadable again."""
    return yaml.dump(dataclasses.asdict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


# --- reading ---------------------------------------------------------------------------------------------


class _Tree:
    """Nested dictionaries plus the place where each key was written."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.places: dict[Keys, str] = {}
        self.problems: list[Problem] = []
        self.complete = True
        """Every file and override could be read; only then can a key be called missing."""

    def add_file(self, file: str) -> None:
        try:
            path = Path(file).expanduser()
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError(f"larger than {MAX_FILE_BYTES} bytes; is this a configuration?")
            node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
        except OSError as error:
            remedy = "an override is written section.field=value" if "=" in file else "check the path"
            self._unreadable(Problem(file, "", f"cannot be read ({error.strerror}); {remedy}"))
        except (ValueError, yaml.YAMLError, RuntimeError) as error:  # RuntimeError: ~name of an unknown user
            self._unreadable(_syntax_problem(file, error))
        else:
            if isinstance(node, yaml.MappingNode):
                self._merge(self.data, node, (), file)
            elif node is not None and node.tag != _NULL:
                self._unreadable(Problem(f"{file}:1", "", "is not a mapping; write 'section:' lines"))

    def _unreadable(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.complete = False

    def add_override(self, override: str) -> None:
        key, equals, text = override.partition("=")
        keys = tuple(key.split("."))
        if not equals or not all(keys):
            message = f"{override!r} is neither a file nor an override; write section.field=value"
            self._unreadable(Problem(COMMAND_LINE, "", message))
            return
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            self._unreadable(Problem(COMMAND_LINE, key, f"cannot parse {_shown(text)}: {_first_line(error)}"))
            return
        target = self.data
        for count, part in enumerate(keys[:-1], 1):
            if not isinstance(target.get(part), dict):
                target[part] = {}
                self.places[keys[:count]] = COMMAND_LINE
            target = target[part]
        self._forget(keys)
        value = None if node is None else self._value(node, keys, COMMAND_LINE)
        if keys[-1] == "type" and target.get("type", value) != value:
            for name in [n for n in target if self.places.get((*keys[:-1], n)) != COMMAND_LINE]:
                del target[name]  # another variant starts afresh, as in files
        target[keys[-1]] = value
        self.places[keys] = COMMAND_LINE

    def _merge(self, target: dict[str, Any], node: yaml.MappingNode, above: Keys, file: str) -> None:
        for keys, value_node in self._items(node, above, file):
            name = keys[-1]
            if isinstance(value_node, yaml.MappingNode) and isinstance(target.get(name), dict):
                if _changes_variant(target[name], value_node):
                    target[name] = {}
                    self._forget(keys)
                self._merge(target[name], value_node, keys, file)
            else:
                if isinstance(target.get(name), (dict, list)):
                    self._forget(keys)
                target[name] = self._value(value_node, keys, file)

    def _forget(self, above: Keys) -> None:
        """The places of keys below ``above``: they were replaced."""
        self.places = {
            keys: place for keys, place in self.places.items() if keys == above or keys[: len(above)] != above
        }

    def _items(self, node: yaml.MappingNode, above: Keys, file: str) -> Iterable[tuple[Keys, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            where = file if file == COMMAND_LINE else f"{file}:{line}"
            if not isinstance(key_node, yaml.ScalarNode):
                self._unreadable(
                    Problem(where, ".".join(above), "a key is a list or a mapping; write a name")
                )
                continue
            name = key_node.value
            keys = (*above, name)
            if name in seen:
                message = f"is written twice, first on line {seen[name]}; keep one"
                self.problems.append(Problem(where, ".".join(keys), message))
            seen[name] = line
            self.places[keys] = where
            yield keys, value_node

    def _value(self, node: yaml.Node, keys: Keys, file: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {path[-1]: self._value(child, path, file) for path, child in self._items(node, keys, file)}
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*keys, str(i)), file) for i, child in enumerate(node.value)]
        return _scalar(node.tag, node.value)


def _changes_variant(old: dict[str, Any], node: yaml.MappingNode) -> bool:
    """``schedule: {type: wsd}`` over ``schedule: {type: cosine}`` starts afresh: the fields differ."""
    new = {k.value: v.value for k, v in node.value if isinstance(k, yaml.ScalarNode)}
    return "type" in new and "type" in old and new["type"] != old["type"]


class _Loader(yaml.SafeLoader):
    """YAML with the core schema of version 1.2, without anchors and explicit tags."""

    yaml_implicit_resolvers: dict = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ComposerError(None, None, "anchors are not supported; repeat it", event.start_mark)
        if getattr(event, "tag", None):
            raise ComposerError(None, None, "tags are not supported; remove it", event.start_mark)
        if self.depth == MAX_DEPTH:
            message = "is nested too deeply; a configuration has a few levels"
            raise ComposerError(None, None, message, event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_NULL, _BOOL, _INT, _FLOAT, _STR = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str")
)
# Python refuses to read integers of thousands of digits; beyond 400 digits they are floats here, that is infinite.
_INT_PATTERN = re.compile(r"^(?:[-+]?[0-9]{1,400}|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT_PATTERN = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
for _tag, _pattern, _first in (
    (_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    (_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    (_INT, _INT_PATTERN, list("-+0123456789")),
    (_FLOAT, _FLOAT_PATTERN, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def represent_str(self, text: str) -> yaml.ScalarNode:
        unusual_line_end = any(end in text for end in "\x85\u2028\u2029")  # would be read as a space
        return self.represent_scalar(_STR, text, style='"' if unusual_line_end else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def _scalar(tag: str, text: str) -> Any:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if tag == _FLOAT:
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _syntax_problem(file: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{file}:{mark.line + 1}" if mark else file
    return Problem(where, "", _first_line(error))


def _first_line(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text; save it as UTF-8"
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).splitlines()[0]
    text = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{text}; indent with spaces" if "'\\t'" in text else text


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


def _explain(root: Any, tree: _Tree, item: Any) -> Problem:
    keys = _real_keys(item["loc"], tree.data)
    path = ".".join(keys)
    kind, seen = item["type"], item["input"]
    not_a_mapping = kind in ("dataclass_type", "model_attributes_type", "dict_type")
    if kind == "unexpected_keyword_argument":
        known = _known_names(root, item["loc"][:-1])
        near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.6)
        message = (
            f"unknown key; did you mean '{near[0]}'?" if near else f"unknown key; known: {', '.join(known)}"
        )
    elif kind == "missing":
        message = f"missing; write '{keys[-1]}: ...'"
    elif kind == "union_tag_not_found":
        message = "missing 'type'; write 'type: ...' with one of the documented names"
    elif kind == "union_tag_invalid":
        context = item["ctx"]
        message = f"type: {context['tag']!r} is unknown; use one of {context['expected_tags']}"
        keys = (*keys, "type")
    elif not_a_mapping and seen is None:
        message = "is empty; write its keys below it or remove the line"
    elif not_a_mapping:
        message = f"{_shown(seen)}: is not a mapping; write its keys below it"
    else:
        rule = item["msg"].removeprefix("Value error, ")
        message = f"{_shown(seen)}: {rule[0].lower()}{rule[1:]}"
    return Problem(_place(tree.places, keys), path, message)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _real_keys(loc: Sequence[str | int], data: Any) -> Keys:
    """pydantic's location without the tags of unions, which it inserts once where a mapping has a ``type``."""
    keys: list[str] = []
    inserted = False
    for part in loc:
        inserted = not inserted and isinstance(data, dict) and data.get("type") == part
        if not inserted:
            keys.append(str(part))
            data = data.get(part) if isinstance(data, dict) else None
    return tuple(keys)


def _known_names(root: Any, loc: Sequence[str | int]) -> list[str]:
    """Field names of the section at ``loc`` of the schema; ``loc`` also holds tags of unions and keys of mappings."""
    kinds = [root]
    for part in loc:
        found = [kind.__pydantic_fields__[part] for kind in kinds if part in kind.__pydantic_fields__]
        tagged = [kind for kind in kinds if _has_tag(kind, part)]
        if found:
            kinds = [member for info in found for member in _members(info.annotation)]
        elif tagged:
            kinds = tagged
    return [name for kind in kinds for name in kind.__pydantic_fields__]


def _has_tag(kind: Any, part: str | int) -> bool:
    info = kind.__pydantic_fields__.get("type")
    return info is not None and part in get_args(info.annotation)


def _members(kind: Any) -> list[Any]:
    """The dataclasses inside ``Annotated[Union[...]]`` or the type itself."""
    inner = getattr(kind, "__args__", ())
    if dataclasses.is_dataclass(kind):
        return [kind]
    return [member for part in inner for member in _members(part)]


def _broken_rules(root: Any, tree: _Tree, rules: Sequence[Rule]) -> list[Problem]:
    """Runs each rule whose sections are valid, after taking unknown keys out of them."""
    if not rules:
        return []
    sections: dict[str, Any] = {}
    for name, info in root.__pydantic_fields__.items():
        data = tree.data.get(name)
        if data is None:
            if not info.is_required():
                sections[name] = info.get_default(call_default_factory=True)
            continue
        with_known = _valid_part(info.annotation, info.discriminator, data)
        if with_known is not None:
            sections[name] = with_known
    problems = []
    for rule in rules:
        if all(name in sections for name in rule.sections):
            for path, message in rule.check(*(sections[name] for name in rule.sections)):
                problems.append(Problem(_place(tree.places, tuple(path.split("."))), path, message))
    return problems


def _valid_part(kind: Any, discriminator: Any, data: Any) -> Any:
    """The section built from ``data`` without its unknown keys, or None when it is wrong otherwise."""
    from copy import deepcopy
    from typing import Annotated

    from pydantic import Field

    tagged: Any = Annotated[kind, Field(discriminator=discriminator)] if discriminator else kind  # type: ignore
    adapter: TypeAdapter[Any] = TypeAdapter(tagged)
    data = deepcopy(data)
    for _ in range(2):
        try:
            return adapter.validate_python(data)
        except ValidationError as error:
            unknown = [e for e in error.errors() if e["type"] == "unexpected_keyword_argument"]
            if len(unknown) != error.error_count():
                return None
            for item in unknown:
                keys = _real_keys(item["loc"], data)
                target = data
                for key in keys[:-1]:
                    target = target[key]
                target.pop(keys[-1])
    return None
