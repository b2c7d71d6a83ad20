"""The command line shared by training and planning: files and overrides, help, printing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from megatron_ko import train
from megatron_ko.config import cli
from megatron_ko.config.fields import Flag, PositiveFloat, section
from megatron_ko.config.manual import manual
from megatron_ko.config.options import options_parser
from megatron_ko.config.schema import key_inside, sections_of
from megatron_ko.config.training import Config
from megatron_ko.errors import UsageError


@pytest.mark.parametrize(
    "argument, is_override",
    [
        ("training.steps=3", True),
        ("model.rope.scaling.factor=8.0", True),
        ("data.mixture.python-code=0.3", True),
        ("run.folder=runs/a=b", True),
        ("run.folder=", True),
        ("train.yaml", False),
        ("./a.b=c.yaml", False),
        ("/tmp/a.b=c.yaml", False),
        ("seed=3", True),
        ("runs/x.y=3", False),
    ],
)
def test_arguments_are_split_into_files_and_overrides(argument, is_override):
    assert cli.split([argument]) == (([], [argument]) if is_override else ([argument], []))


def test_files_and_overrides_may_be_mixed_and_keep_their_order():
    arguments = train.parser().parse(["a.yaml", "a.b=1", "--dry-run", "b.yaml", "a.b=2"])
    assert cli.split(arguments.config) == (["a.yaml", "b.yaml"], ["a.b=1", "a.b=2"])
    assert arguments.dry_run and not arguments.print_config and arguments.world_size is None


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", "", "²"])
def test_counts_on_the_command_line_are_positive_integers(text):
    with pytest.raises(UsageError) as caught:
        train.parser().parse([f"--world-size={text}"])
    assert caught.value.rule == "usage" and repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("option", "meant"),
    [("--rank", "--ranks"), ("--dryrun", "--dry-run"), ("--print_config", "--print-config")],
)
def test_an_unknown_option_names_the_nearest_one(option, meant):
    with pytest.raises(UsageError) as caught:
        train.parser().parse(["a.yaml", option])
    assert caught.value.rule == "unknown-option" and meant in str(caught.value)


def fields_of(kind: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and field of the whole tree, through all variants."""
    for name, info in kind.__pydantic_fields__.items():
        path = f"{above}{name}"
        if variants := sections_of(info.annotation):
            path += key_inside(info.annotation)
        yield path, info
        for variant in variants:
            yield from fields_of(variant, f"{path}.")


ALL_FIELDS = list(fields_of(Config))


def test_every_field_has_a_sentence():
    assert [path for path, info in ALL_FIELDS if not (info.description or "").endswith(".")] == []


def test_the_manual_names_every_field_with_its_sentence():
    text = manual(Config)
    on_one_line = " ".join(text.split())
    for path, info in ALL_FIELDS:
        assert f"{path}:" in text, path
        assert " ".join((info.description or "").split()) in on_one_line, path


def test_the_manual_lists_types_defaults_and_required_fields(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    lines = manual(Config).splitlines()
    for line in (
        "  run.folder: text, required",
        "  run.device: cpu | cuda, default cuda",
        "  run.timeout_s: number, default 1800.0",
        "  model.layers: integer, required",
        "  model.head_size: integer or none, default none",
        "  model.tied_embeddings: true/false, default false",
        "  model.extra: any values by name, default {}",
        "  model.rope.scaling.type: llama3",
        "  model.rope.scaling.factor: number, required",
        "  schedule.type: wsd",
        "  schedule.decay: linear | cosine | exponential | minus_sqrt, default minus_sqrt",
        "  schedule.milestones: list of numbers, default [0.8, 0.9]",
        "  data.mixture: numbers by name or none, default none",
    ):
        assert line in lines
    assert lines.count("  schedule.decay_steps: integer, required") == 1
    assert [line for line in lines if " schedule.type: wsd" in line] == ["  schedule.type: wsd"]


def test_mistakes_that_argparse_finds_are_in_our_words():
    parser = cli.Parser(prog="mko x")
    parser.add_argument("shell", choices=["bash", "zsh"])
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int)
    theirs = ("argument ", "invalid choice", "following arguments", "expected one")
    for arguments, named in (
        (["fish", "--out", "x"], "shell: 'fish'"),
        (["bash"], "--out: missing"),
        (["bash", "--out"], "--out: "),
        (["bash", "--out", "x", "--count", "y"], "--count: "),
    ):
        with pytest.raises(UsageError) as caught:
            parser.parse(arguments)
        text = str(caught.value)
        assert text.startswith(named) and not any(words in text for words in theirs)


def test_subcommands_are_listed_like_those_of_mko(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    parser = cli.Parser(
        prog="mko data tokens", description="Encodes text, and checks what fine-tuning will read later on."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("merge", help="join pairs")
    commands.add_parser("split", help="cut a pair in two")
    assert parser.format_help() == (
        "usage: mko data tokens COMMAND ...\n\n"
        "Encodes text, and checks what fine-tuning will read later\non.\n\n"
        "commands:\n  merge  join pairs\n  split  cut a pair in two\n\n"
        "'mko data tokens COMMAND --help' explains one of them.\n"
    )
    assert parser.parse(["split"]).command == "split"


def test_help_breaks_no_word_and_has_one_pair_of_parentheses_at_its_end(monkeypatch):
    @section
    class Options:
        src: str
        """Folder."""
        size: PositiveFloat = 5.0
        """Size of the largest file (format hf)."""
        weights: Flag = True
        """Compare weights, in a sentence whose word fine-tunings would otherwise break at the edge of this terminal."""

    for columns in range(40, 90):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = options_parser("x", Options, ["src"]).format_help()
        assert "fine-tunings" in text
    assert "(format hf; default: 5.0)" in text and "(default: yes)" in text
