"""One program: every command is reachable, every help exists, and mistakes name what was meant."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from megatron_ko.__main__ import COMMANDS, main
from megatron_ko.config.cli import Parser
from megatron_ko.config.loading import load, to_yaml
from megatron_ko.config.training import Config
from megatron_ko.config.yaml_tree import Tree
from megatron_ko.errors import ConfigError
from megatron_ko.program import completion, init, schema
from megatron_ko.tables import width_of
from preprocessing import cli as preprocessing_cli
from preprocessing.config import descriptions, pipeline
from tests.test_layers import ROOT


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_main(name):
    module, sentence = COMMANDS[name]
    assert callable(import_module(module).main) and sentence


def test_help_and_version_print_something(capsys):
    assert main([]) == 0
    overview = capsys.readouterr().out
    assert all(f"  {name} " in overview for name in COMMANDS)
    assert main(["--version"]) == 0
    assert "megatron-core" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian"], "mko train"),
        (["checkpoints"], "mko checkpoint"),
        (["data", "dedupliacte"], "mko data deduplicate"),
        (["tokenizer", "extnd"], "mko tokenizer extend"),
        (["checkpoint", "to_hf"], "mko checkpoint to-hf"),
        (["train", "--dryrun"], "--dry-run"),
    ],
)
def test_a_mistyped_command_names_the_nearest_one(arguments, meant):
    done = subprocess.run(
        [sys.executable, "-m", "megatron_ko", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and meant in done.stderr and "Traceback" not in done.stderr


def parsers():
    for name, command in dict(completion._commands()).items():
        if isinstance(command, dict):
            yield from ((f"mko {name} {inner}", p) for inner, p in command.items())
        else:
            yield f"mko {name}", command


ALL_PARSERS = dict(parsers())


def inner_parsers(name, parser):
    """A parser and those of its subcommands, such as ``mko data tokens merge``."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner, command in action.choices.items():
                yield from inner_parsers(f"{name} {inner}", command)


EVERY_PARSER = dict(pair for name, parser in ALL_PARSERS.items() for pair in inner_parsers(name, parser))


@pytest.mark.parametrize("name", EVERY_PARSER)
def test_every_help_names_its_command_and_fits_80_columns(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = EVERY_PARSER[name].format_help()
    if name in ALL_PARSERS:
        assert text.startswith(f"usage: {name}")
    assert [line for line in text.splitlines() if width_of(line) > 80] == []


def test_a_help_that_is_asked_for_is_the_one_that_fits(monkeypatch, capsys):
    # Before Python 3.12.3, argparse writes a usage of its own where it parses options and inputs in any order.
    monkeypatch.setenv("COLUMNS", "80")
    for parse in ("parse", "format_help"):
        parser = Parser(prog="mko x")
        parser.add_argument("folder", metavar="FOLDER")
        parser.add_argument("--count", metavar="N")
        if parse == "parse":
            with pytest.raises(SystemExit):
                parser.parse(["--help"])
            shown = capsys.readouterr().out
        else:
            assert shown == parser.format_help()


def test_every_step_and_command_has_a_description():
    assert list(descriptions.STEPS) == list(preprocessing_cli.STEPS)
    assert list(descriptions.DATA_COMMANDS) == list(preprocessing_cli.DATA_COMMANDS)
    assert list(descriptions.TOKENIZER_COMMANDS) == list(preprocessing_cli.TOKENIZER_COMMANDS)


def test_an_option_of_text_is_not_called_a_path():
    metavars = {a.dest: a.metavar for a in ALL_PARSERS["mko checkpoint to-hf"]._actions}
    assert (metavars["license"], metavars["chat_template"]) == ("NAME", "PATH")


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["data", "--help"], ["tokenizer"], ["checkpoint", "-h"]]
)
def test_every_overview_fits_80_columns(arguments, monkeypatch, capsys):
    monkeypatch.setattr("preprocessing.__main__.supervise", lambda: None)  # it would fork this process
    monkeypatch.setenv("COLUMNS", "80")
    assert main(arguments) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if width_of(line) > 80] == []


def test_completion_knows_every_command():
    import shtab

    script = shtab.complete(completion.whole_parser(), "bash")
    for word in (*COMMANDS, "bf16", "deduplicate", "expand-vocab", "--overwrite", "--min-count"):
        assert word in script


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_completion_offers_files_for_inputs_and_paths(shell, capsys):
    """zsh and fish offer none by themselves. Real shells read the scripts where they are installed."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    program = shutil.which(shell)
    if program:
        checked = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, timeout=60)
        assert (checked.returncode, checked.stderr) == (0, "")
    if shell == "zsh":
        train = script[script.index("_shtab_mko_train_options=(") :].partition("\n)")[0]
        assert "section.field\\=value:_files" in train and "--ranks" in train and train.count("_files") == 1
    if shell == "fish" and program:
        query = f"complete -C 'mko train {ROOT}/examples/quick'"
        shown = subprocess.run(
            [program, "-c", f"source; {query}"], input=script, text=True, capture_output=True, timeout=60
        ).stdout
        assert "examples/quickstart/" in shown


def test_completion_shows_what_each_command_does():
    whole = completion.whole_parser()
    [groups] = [a for a in whole._actions if isinstance(a, argparse._SubParsersAction)]
    sentences = {choice.dest: choice.help for choice in groups._choices_actions}
    assert sentences == {name: sentence for name, (_, sentence) in COMMANDS.items()}
    [operations] = [
        a for a in groups.choices["checkpoint"]._actions if isinstance(a, argparse._SubParsersAction)
    ]
    assert operations._choices_actions[0].help == "write a checkpoint as a Hugging Face folder"


def test_completion_offers_words_and_not_what_stands_for_a_value():
    whole = completion.whole_parser()

    def choices_of(*names):
        parser, option = whole, names[-1]
        for name in names[:-1]:
            [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
            parser = commands.choices[name]
        return next(list(a.choices or ()) for a in parser._actions if option in a.option_strings)

    assert choices_of("tokenizer", "extend", "--min-count") == ["auto"]
    assert choices_of("tokenizer", "bias-sample", "--base") == []
    assert choices_of("checkpoint", "to-hf", "--dtype") == ["bf16", "fp32"]
    assert choices_of("checkpoint", "expand-vocab", "--judge") == ["all", "chosen", "none"]
    assert "weighted" in choices_of("checkpoint", "expand-vocab", "--init")
    assert choices_of("data", "run", "--runner") == ["processes", "slurm", "ray"]


# --- init and schema ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [[], ["--code", "src"]])
def test_the_starting_configurations_are_valid(tmp_path, monkeypatch, code):
    monkeypatch.chdir(tmp_path)
    assert init.main(["my_run", *code]) == 0
    train = load(Config, ["my_run/train.yaml"], []).config
    data = load(pipeline.Config, ["my_run/data.yaml"], [], pipeline.RULES).config
    assert train.run.folder == "runs/my_run/train"
    assert train.data.manifest == f"{data.output.folder}/manifest.json"
    assert set(data.inputs) == set(data.domains) == ({"text", "code"} if code else {"text"})


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        init._main(init.parser().parse([str(tmp_path / "file")]))
    assert caught.value.rule == "not-a-folder"


def test_existing_files_are_not_overwritten(tmp_path):
    (tmp_path / "train.yaml").write_text("mine")
    assert init.main([str(tmp_path)]) == 2
    assert (tmp_path / "train.yaml").read_text() == "mine" and not (tmp_path / "data.yaml").exists()


@pytest.mark.parametrize("folder", ["a*b", "a{b}", "a$b"])
def test_folders_that_would_be_patterns_are_refused(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    assert init.main(["run", "--text", folder]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["내 텍스트", "it's: #1", 'a "b"'])
def test_any_other_folder_name_survives_yaml(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    assert init.main(["run", "--text", text]) == 0
    data = load(pipeline.Config, ["run/data.yaml"], []).config
    assert vars(data.inputs["text"])["paths"][0].startswith(f"{text}/")


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_schemas_accept_the_examples_and_refuse_unknown_keys(name):
    jsonschema = pytest.importorskip("jsonschema")
    import yaml

    validator = jsonschema.Draft202012Validator(schema.json_schema(name))
    validator.check_schema(validator.schema)
    for path in sorted((ROOT / "examples").glob(f"*/{name}.yaml")):
        if path.parent.name in ("continue", "lora") and name == "train":
            tree = Tree()  # its model takes its shape from one that the example makes
            tree.add_file(str(path))
            data = tree.data
        else:
            loaded = load({"train": Config, "data": pipeline.Config}[name], [str(path)], []).config
            data = yaml.safe_load(to_yaml(loaded))
        assert list(validator.iter_errors(data)) == [], path
        assert list(validator.iter_errors({**data, "zebra": 1}))


def test_the_schema_explains_fields_and_takes_the_word_none():
    text = json.dumps(schema.json_schema("train"))
    assert "Run folder" in text and '"none"' in text


# --- nothing speaks of the old programs -----------------------------------------------------------------------

OLD = re.compile(
    r"python -m (preprocessing|checkpoint_tools|megatron_ko\.plan|examples\.(main_job|report|generate)) \w"
    r"|mko-(train|plan|data|ckpt)\b|\b(src|dst|overwrite|logits)=(?!=)[\w{/]"
    r"|(extend|hybrid|prune)-tokenizer\b|\btokenizer-report\b"
)


def test_no_page_or_message_spells_commands_the_old_way():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    pages = [
        path for path in tracked if path.endswith((".md", ".yaml", ".sbatch", ".jinja")) or path == "Makefile"
    ]
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in pages
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if OLD.search(line)
    ]
    for path in tracked:
        if path.endswith(".py") and not path.startswith("tests/"):
            found += [f"{path}:{line}: {text}" for line, text in _texts(ROOT / path) if OLD.search(text)]
    assert found == []


def _texts(path: Path):
    """Every string of a module, docstrings included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
