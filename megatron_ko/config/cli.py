"""The dialect of every command line: positional inputs, ``--option value``, ``section.field=value``.

Owns the parser, which reports mistakes as UsageError with the nearest option, the arguments that several commands share,
and the split of arguments into configuration files and overrides.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from megatron_ko.config.suggestions import nearest_name
from megatron_ko.errors import ConfigError, UsageError
from megatron_ko.tables import terminal_width

_OVERRIDE = re.compile(r"^[A-Za-z_][\w-]*(\.[\w-]+)*=")
_PLAIN_WORDS = (
    (re.compile(r"^the following arguments are required: (.*)$"), r"\1: missing"),
    (re.compile(r"^argument (\S+): "), r"\1: "),
    (re.compile(r"invalid choice: (.*) \(choose from (.*)\)$"), r"\1 is not one of \2"),
    (re.compile(r"expected (one argument|at least one argument|\d+ arguments?)$"), r"needs \1"),
)
"""Sentences of argparse, as the other messages put them."""
CONFIG_HELP = "configuration files (later ones override earlier ones) and section.field=value"


class _Help(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs; text with indented lines, such as a manual or an example, stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = [
            part
            if "\n  " in part or part.startswith("  ")
            else textwrap.fill(part, width, break_on_hyphens=False)
            for part in text.strip("\n").split("\n\n")
        ]
        return "\n\n".join(paragraphs)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Breaks between words alone: ``fine-tuning`` and ``--no-weights`` stay whole."""
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _metavar_formatter(self, action: argparse.Action, default_metavar: str) -> Any:
        """Choices as ``cpu|cuda``, like the words of a configuration."""
        if action.metavar is None and action.choices is not None and not _has_subcommands(action):
            default_metavar, choices = "|".join(map(str, action.choices)), action.choices
            action.choices = None
            try:
                return super()._metavar_formatter(action, default_metavar)
            finally:
                action.choices = choices
        return super()._metavar_formatter(action, default_metavar)


def _has_subcommands(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations; a mistake raises UsageError instead of ending the process."""

    def __init__(self, manual: Callable[[], str] | None = None, **settings: Any) -> None:
        """``manual`` writes the end of the help; only ``--help`` calls it."""
        settings.setdefault("formatter_class", _Help)
        super().__init__(**{"allow_abbrev": False, **settings})
        self.words: dict[str, Sequence[str]] = {}
        """Words that an argument takes, beside other values, by its ``dest``: shell completion offers them."""
        self._manual = manual

    def format_help(self) -> str:
        if self._manual is not None:
            self.epilog = self._manual()
        self.usage = self.usage or self._short_usage()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return self._list_commands({each.dest: each.help or "" for each in action._choices_actions})
        return super().format_help()

    def _list_commands(self, sentences: Mapping[str, str]) -> str:
        """The help of a command that has nothing but subcommands, like that of ``mko`` itself."""
        description = textwrap.fill(self.description or "", terminal_width() - 2, break_on_hyphens=False)
        commands = describe_commands("commands", sentences)
        return f"{self.format_usage()}\n{description}\n\n{commands}\n'{self.prog} COMMAND --help' explains one of them.\n"

    def _short_usage(self) -> str:
        """Inputs first, as a user must type them after ``--text A B``; of the options only those that are required."""
        formatter = self._get_formatter()
        groups = [group for group in self._mutually_exclusive_groups if group.required]
        grouped = [action for group in groups for action in group._group_actions]
        parts = []
        for action in self._get_positional_actions():
            metavar = formatter._get_default_metavar_for_positional(action)
            parts.append(formatter._format_args(action, metavar))
        if not any(map(_has_subcommands, self._actions)):
            parts += [
                _spell(formatter, a)
                for a in self._actions
                if _is_option(a) and a.required and a not in grouped
            ]
            parts += [
                f"({' | '.join(_spell(formatter, a) for a in group._group_actions)})" for group in groups
            ]
            parts.append("[options]")
        indent = " " * len(f"usage: {self.prog} ")
        lines = [f"{self.prog}"]
        for part in parts:
            if (
                len(indent if len(lines) > 1 else "usage: ") + len(lines[-1]) + 1 + len(part)
                > terminal_width()
            ):
                lines.append(part)
            else:
                lines[-1] += f" {part}"
        return f"\n{indent}".join(lines).replace("%", "%%")

    def parse(self, arguments: Sequence[str] | None = None) -> Any:
        """Options and positional arguments in any order. Raises UsageError; ``--help`` prints and exits."""
        self.usage = (
            self.usage or self._short_usage()
        )  # before argparse of Python 3.12.1 and older writes its own
        # argparse refuses to intermix where there are subcommands
        parse = self.parse_known_args if self._subparsers else self.parse_known_intermixed_args
        given, unknown = parse(arguments)
        if unknown:
            raise UsageError(self._explain_unknown(unknown), rule="unknown-option")
        return given

    def _explain_unknown(self, unknown: list[str]) -> str:
        texts = []
        options = [argument for argument in unknown if argument.startswith("-")]
        for argument in options or unknown:  # what follows an unknown option is probably its value
            name = argument.partition("=")[0]
            near = nearest_name(name, self.options()) if name.startswith("-") else None
            hint = f"did you mean {near}?" if near else f"see '{self.prog} --help'"
            texts.append(f"{argument}: unknown {'option' if name.startswith('-') else 'argument'}; {hint}")
        return "\n  ".join(texts)

    def options(self) -> list[str]:
        """Long options of this command and of its subcommands."""
        names: list[str] = []
        for action in self._actions:
            names += [option for option in action.option_strings if option.startswith("--")]
            if isinstance(action, argparse._SubParsersAction):
                names += [name for parser in action.choices.values() for name in parser.options()]
        return names

    def error(self, message: str) -> NoReturn:
        for pattern, ours in _PLAIN_WORDS:
            message = pattern.sub(ours, message)
        raise UsageError(f"{message}; see '{self.prog} --help'", rule="usage")


def _is_option(action: argparse.Action) -> bool:
    return bool(action.option_strings)


def _spell(formatter: argparse.HelpFormatter, action: argparse.Action) -> str:
    """An option with its value, such as ``--out FOLDER``."""
    metavar = formatter._get_default_metavar_for_optional(action)
    return f"{action.option_strings[-1]} {formatter._format_args(action, metavar)}".strip()


def config_parser(
    command: str, description: str, manual: Callable[[], str] | None = None, takes_run: bool = False
) -> Parser:
    """Parser of a command that takes configuration files and overrides, or the folder of a run with ``takes_run``; ``manual`` as
    in ``Parser``."""
    first = "RUN|CONFIG.yaml" if takes_run else "CONFIG.yaml"
    parser = Parser(
        prog=f"mko {command}",
        usage=f"mko {command} {first} ... [key=value ...] [options]",
        description=description,
        manual=manual,
    )
    files = f"output folder of a run, or {CONFIG_HELP}" if takes_run else CONFIG_HELP
    parser.add_argument("config", nargs="*", metavar=first, help=files)
    return parser


def add_inspection(parser: Parser, dry_run: str) -> None:
    """``--print-config`` and ``--dry-run``; ``dry_run`` is the help of the latter."""
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved configuration and stop"
    )
    parser.add_argument("--dry-run", action="store_true", help=dry_run)


def require_configuration(arguments: Sequence[str], command: str) -> None:
    """Raises ConfigError if a command that needs a configuration got none."""
    if not arguments:
        raise ConfigError(
            f"no configuration file given; write 'mko {command} CONFIG.yaml'", rule="missing-configuration"
        )


def unknown_command(program: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for ``program name``, with the nearest of the ``known`` commands."""
    near = nearest_name(name, known)
    hint = f"did you mean '{program} {near}'?" if near else f"known: {', '.join(known)}"
    return UsageError(f"'{program} {name}' is not a command; {hint}", rule="unknown-command")


def describe_commands(title: str, sentences: Mapping[str, str]) -> str:
    """Names and sentences in the width of the terminal, below a title."""
    left = max(map(len, sentences)) + 4
    width = max(terminal_width() - 1, left + 20)
    lines = [
        textwrap.fill(
            sentence,
            width,
            initial_indent=f"  {name:{left - 2}}",
            subsequent_indent=" " * left,
            break_on_hyphens=False,
        )
        for name, sentence in sentences.items()
    ]
    return "\n".join([f"{title}:", *lines, ""])


def bounded(low: int, high: int) -> Callable[[str], int]:
    """Type of an argument: an integer from ``low`` to ``high``."""

    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > 19 or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not an integer from {low} to {high}")
        return int(text)

    return number


positive = bounded(1, 2**63 - 1)
"""Type of an argument that counts something, such as ranks."""


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files and overrides: ``a=value`` and ``a.b=value`` are overrides, everything else is a file."""
    files = [a for a in arguments if not _OVERRIDE.match(a)]
    return files, [a for a in arguments if _OVERRIDE.match(a)]
