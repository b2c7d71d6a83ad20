"""YAML 1.2 files and ``section.field=value`` overrides as nested dictionaries that know where each key was written.

Owns scalars of the core schema, composition (later wins; entries of a list by number or name), and what a configuration file may hold: no duplicate keys,
anchors or tags, bounded size and depth. Knows nothing of any schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError

from megatron_ko.config.suggestions import nearest_name
from megatron_ko.errors import Problem

Keys = tuple[str, ...]
COMMAND_LINE = "command line"
_FEW_FILES = 3
MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 20
_FIELD = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")


class NoneWord(str):
    """The plain word ``none``: null where the schema allows null, else the text. Quoted, it is text everywhere."""


class Tree:
    """Nested dictionaries plus the place where each key was written."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.places: dict[Keys, str] = {}
        self.borrowed: dict[Keys, str] = {}
        """Keys that no configuration contains, with the file that their values come from."""
        self.sections: dict[str, list[str]] = {}
        """Top-level keys of each file."""
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
            if Path(file).expanduser().is_dir():
                message = f"is a folder; give {_files_in(file)}"
                self._unreadable(Problem(file, "", message, "is-folder"))
                return
            if _FIELD.fullmatch(file) and not file.endswith((".yaml", ".yml")):
                self._neither(file)
                return
            if isinstance(error, PermissionError):
                remedy = "make it readable"
            else:
                remedy = "an override is written section.field=value" if "=" in file else _suggest_file(file)
            self._unreadable(
                Problem(file, "", f"cannot be read ({error.strerror}); {remedy}", "unreadable-file")
            )
        except (ValueError, yaml.YAMLError, RuntimeError) as error:  # RuntimeError: ~name of an unknown user
            self._unreadable(_syntax_problem(file, error))
        else:
            if isinstance(node, yaml.MappingNode):
                self.sections[file] = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
                self._merge(self.data, node, (), file)
            elif node is not None and node.tag != _NULL:
                self._unreadable(
                    Problem(f"{file}:1", "", "is not a mapping; write 'section:' lines", "not-a-mapping")
                )

    def _unreadable(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.complete = False

    def _neither(self, argument: str) -> None:
        message = f"{argument!r} is neither a file nor an override; write section.field=value"
        self._unreadable(Problem(COMMAND_LINE, "", message, "not-an-override"))

    def add_override(self, override: str) -> None:
        key, equals, text = override.partition("=")
        keys = tuple(key.split("."))
        if not equals or not all(keys):
            self._neither(override)
            return
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            message = f"cannot parse {format_value(text)}: {_first_line(error)}"
            self._unreadable(Problem(COMMAND_LINE, key, message, _rule_of(error)))
            return
        numbered = self._with_numbers(keys)
        if numbered is None:
            return
        keys = numbered
        target: Any = self.data
        for count, part in enumerate(keys[:-1], 1):
            if isinstance(target, list):
                target = target[int(part)]
                continue
            before = target.get(part)
            if not isinstance(before, (dict, list)):
                # a word may name the type of a section: fp8=tensorwise, then fp8.bf16_first_layers=2
                is_type = isinstance(before, str) and not isinstance(before, NoneWord)
                target[part] = {"type": before} if is_type else {}
                self.places[keys[:count]] = COMMAND_LINE
            target = target[part]
        self._forget(keys)
        value = None if node is None else self._value(node, keys, COMMAND_LINE)
        if isinstance(target, list):
            target[int(keys[-1])] = value
        else:
            if keys[-1] == "type" and target.get("type", value) != value:
                for name in [n for n in target if self.places.get((*keys[:-1], n)) != COMMAND_LINE]:
                    del target[name]  # another variant starts afresh, as in files
            target[keys[-1]] = value
        self.places[keys] = COMMAND_LINE

    def _with_numbers(self, keys: Keys) -> Keys | None:
        """``keys`` with the number of each entry of a list in place of its name; None, with a problem, if there is no such entry."""
        numbered: list[str] = []
        target: Any = self.data
        for part in keys:
            if isinstance(target, list) and len(numbered) < len(keys):
                number = self._number_of(target, part, (*numbered, part), COMMAND_LINE)
                if number is None:
                    return None
                part, target = str(number), target[number]
                if len(numbered) + 1 < len(keys) and not isinstance(target, (dict, list)):
                    self._not_an_entry((*numbered, part), COMMAND_LINE)
                    return None
            else:
                target = target.get(part) if isinstance(target, dict) else None
            numbered.append(part)
        return tuple(numbered)

    def _number_of(self, entries: list[Any], part: str, keys: Keys, where: str) -> int | None:
        """Number of the entry ``part``, a number or the value of its key ``name``; None, with a problem, if there is none."""
        names = [str(e["name"]) if isinstance(e, dict) and "name" in e else "" for e in entries]
        if part in names:
            return names.index(part)
        if part.isascii() and part.isdigit() and int(part[:9]) < len(entries):
            return int(part)
        known = ", ".join(name or str(number) for number, name in enumerate(names)) or "none"
        message = f"is not an entry of the list; its entries are {known}"
        self._unreadable(Problem(where, ".".join(keys), message, "unknown-entry"))
        return None

    def _not_an_entry(self, keys: Keys, where: str) -> None:
        message = "is not a mapping; write its keys below it"
        self._unreadable(Problem(where, ".".join(keys), message, "not-a-mapping"))

    def _merge(self, target: dict[str, Any], node: yaml.MappingNode, above: Keys, file: str) -> None:
        for keys, value_node in self._items(node, above, file):
            name = keys[-1]
            if isinstance(value_node, yaml.MappingNode) and isinstance(target.get(name), dict):
                if _changes_variant(target[name], value_node):
                    target[name] = {}
                    self._forget(keys)
                self._merge(target[name], value_node, keys, file)
            elif isinstance(value_node, yaml.MappingNode) and isinstance(target.get(name), list):
                self._merge_entries(target[name], value_node, keys, file)
            else:
                if isinstance(target.get(name), (dict, list)):
                    self._forget(keys)
                target[name] = self._value(value_node, keys, file)

    def _merge_entries(self, entries: list[Any], node: yaml.MappingNode, above: Keys, file: str) -> None:
        """Merges a mapping by name (or number) into the entries of a list that an earlier file has written."""
        for keys, value_node in self._items(node, above, file):
            where = self.places.pop(keys)
            number = self._number_of(entries, keys[-1], keys, where)
            if number is None:
                continue
            if not isinstance(value_node, yaml.MappingNode) or not isinstance(entries[number], dict):
                self._not_an_entry(keys, where)
                continue
            self._merge(entries[number], value_node, (*above, str(number)), file)

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
                message = "a key is a list or a mapping; write a name"
                self._unreadable(Problem(where, ".".join(above), message, "invalid-key"))
                continue
            name = key_node.value
            keys = (*above, name)
            if name in seen:
                message = f"is written twice, first on line {seen[name]}; keep one"
                self.problems.append(Problem(where, ".".join(keys), message, "duplicate-key"))
            seen[name] = line
            self.places[keys] = where
            yield keys, value_node

    def _value(self, node: yaml.Node, keys: Keys, file: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {path[-1]: self._value(child, path, file) for path, child in self._items(node, keys, file)}
        if isinstance(node, yaml.SequenceNode):
            for number, child in enumerate(node.value):
                line = child.start_mark.line + 1
                self.places[(*keys, str(number))] = file if file == COMMAND_LINE else f"{file}:{line}"
            return [self._value(child, (*keys, str(i)), file) for i, child in enumerate(node.value)]
        return _scalar(node.tag, node.value, is_plain=getattr(node, "style", None) is None)


def parse_scalar(text: str) -> Any:
    """Value that a YAML file gives ``text``: a number, true/false, null or text."""
    node = yaml.compose(text, Loader=_Loader) if text.strip() else None
    return _scalar(node.tag, node.value) if isinstance(node, yaml.ScalarNode) else text


def _changes_variant(old: dict[str, Any], node: yaml.MappingNode) -> bool:
    """``schedule: {type: wsd}`` over ``schedule: {type: cosine}`` starts afresh: the fields differ."""
    new = {k.value: v.value for k, v in node.value if isinstance(k, yaml.ScalarNode)}
    return "type" in new and "type" in old and new["type"] != old["type"]


class _Unsupported(ComposerError):
    """Valid YAML that no configuration needs."""

    def __init__(self, rule: str, message: str, mark: Any) -> None:
        super().__init__(None, None, message, mark)
        self.rule = rule


class _Loader(yaml.SafeLoader):
    """YAML with the core schema of version 1.2, without anchors and explicit tags."""

    yaml_implicit_resolvers: dict = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Unsupported("anchor", "anchors are not supported; repeat it", event.start_mark)
        if getattr(event, "tag", None):
            raise _Unsupported("tag", "tags are not supported; remove it", event.start_mark)
        if self.depth == MAX_DEPTH:
            message = "is nested too deeply; a configuration has a few levels"
            raise _Unsupported("too-deep", message, event.start_mark)
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


class Quoted(str):
    """Text that ``dump`` writes in quotes."""


def _represent_str(dumper: Any, text: str) -> yaml.ScalarNode:
    unusual_line_end = not text.isascii() and any(
        end in text for end in "\x85\u2028\u2029"
    )  # read as a space
    return dumper.represent_scalar(_STR, text, style='"' if unusual_line_end else None)


def _represent_quoted(dumper: Any, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(_STR, str(text), style='"')  # libyaml takes no subclass of str


class _PlainDumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


_libyaml: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # not every build of PyYAML has it


class _FastDumper(_libyaml):
    """A third of the time of ``_PlainDumper``."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


for _dumper in (_PlainDumper, _FastDumper):
    _dumper.add_representer(str, _represent_str)
    _dumper.add_representer(Quoted, _represent_quoted)


def dump(content: Any) -> str:
    """``content`` as YAML in block style, in its order; ``parse`` reads the same values."""
    text = yaml.dump(content, Dumper=_FastDumper, sort_keys=False, allow_unicode=True)
    if "\\U" in text:  # libyaml escapes emoji
        text = yaml.dump(content, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)
    return text


def _scalar(tag: str, text: str, is_plain: bool = True) -> Any:
    if is_plain and text == "none":
        return NoneWord(text)
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if tag == _FLOAT:
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _files_in(folder: str) -> str:
    """The configuration files in a folder, if they are few."""
    files = sorted(map(str, Path(folder).expanduser().glob("*.yaml")))
    return " or ".join(files) if 0 < len(files) <= _FEW_FILES else "a configuration file, such as data.yaml"


def _suggest_file(file: str) -> str:
    """The configuration in the same folder whose name is nearest, or the advice to check the path."""
    path = Path(file)
    names = [entry.name for pattern in ("*.yaml", "*.yml") for entry in sorted(path.parent.glob(pattern))]
    near = nearest_name(path.name, names)
    return f"did you mean {path.with_name(near)}?" if near else "check the path"


def _syntax_problem(file: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{file}:{mark.line + 1}" if mark else file
    return Problem(where, "", _first_line(error), _rule_of(error))


def _rule_of(error: Exception) -> str:
    return getattr(error, "rule", "invalid-yaml")


def _first_line(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text; save it as UTF-8"
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).splitlines()[0]
    text = ", ".join(part for part in (error.context, error.problem) if part)
    if "'<document start>'" in text:
        return f"{text}; give a configuration in YAML"
    if "'\\t'" in text:
        return f"{text}; indent with spaces"
    if error.context == "while parsing a block mapping":
        return f"{text}; indent the keys of one section by the same number of spaces, and write a colon after each"
    return text


def format_value(value: Any) -> str:
    """``value`` as an error message shows it and a configuration spells it, at most 60 characters."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
