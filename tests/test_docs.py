"""The pages are true: links and anchors resolve; commands, options and fields that they name exist."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from megatron_ko.config import training
from megatron_ko.config.cli import Parser, split
from megatron_ko.config.loading import load
from megatron_ko.config.schema import paths_of
from megatron_ko.errors import UserError
from megatron_ko.program import completion
from preprocessing.config import pipeline
from tests.test_layers import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SCHEME = re.compile(r"^[a-z]+:")
FIELD = re.compile(r"[a-z_]+(?:\.[A-Za-z_0-9]+)+")
FIELDS = {
    "data": frozenset(paths_of(pipeline.Config)),
    "train": frozenset(paths_of(training.Config)),
}
# Words of the pages for any key, and file names that look like a field of a section.
ANY_KEY = {"LANG", "NAME", "X"}
SUFFIXES = {"json", "md", "model", "safetensors", "yaml"}


def page_paths() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


PAGES = page_paths()
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
GUIDES = [name for name in NAMES if name == "README.md" or "guide" in name]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# --- links -----------------------------------------------------------------------------------------------


def anchors_of(text: str) -> set[str]:
    """Anchors of the headings of a page, as GitHub derives them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", text), re.MULTILINE):
        plain = LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading).replace("`", "").lower()
        kept = (c for c in plain if c in "-_ " or unicodedata.category(c)[0] in "LNM")
        base = "".join(kept).replace(" ", "-")
        anchor, copies = base, 0
        while anchor in anchors:
            copies += 1
            anchor = f"{base}-{copies}"
        anchors.add(anchor)
    return anchors


def broken_links(name: str) -> list[str]:
    broken = []
    for target in LINK.findall(CODE_SPAN.sub("", FENCE.sub("", read(name)))):
        if SCHEME.match(target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors_of(path.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_and_anchors_resolve(name):
    assert broken_links(name) == []


def test_anchors_are_those_of_github():
    text = "# A & B, `c_d`\n## 종료 코드\n## 종료 코드\n```\n# not a heading\n```\n### [Rows](x.md) for-new (tokens)\n"
    assert anchors_of(text) == {"a--b-c_d", "종료-코드", "종료-코드-1", "rows-for-new-tokens"}


# --- commands --------------------------------------------------------------------------------------------


@cache
def parsers() -> dict[str, argparse.ArgumentParser | dict[str, argparse.ArgumentParser]]:
    return dict(completion._commands())


def shell_lines(text: str) -> Iterator[str]:
    """Lines of the code blocks of a page that are commands; a line that ends with a backslash continues."""
    blocks = [block for language, block in FENCE.findall(text) if language in ("", "bash")]
    blocks += re.findall(r"(?:^    (?! ).*\n(?:^     .*\n)*)", text, re.MULTILINE)
    for block in blocks:
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())


def words_of(line: str) -> list[str] | None:
    """Arguments of ``mko`` that a line of a page stands for, or None where it is another command."""
    try:
        words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
    except ValueError:
        return None
    if not words:
        return None
    if words[0] == "mko":
        return words[1:]
    if words[0] == "torchrun" and "-m" in words:
        start = words.index("-m")
        assert words[start + 1] == "megatron_ko.train"
        return ["train", *words[start + 2 :]]
    scripts = [i for i, word in enumerate(words) if word.startswith("slurm/")]
    if words[0] == "sbatch" and scripts:
        assert (ROOT / words[scripts[0]]).is_file()
        return ["data"] + words[scripts[0] + 1 :]
    return None


def problem_of(words: list[str]) -> str | None:
    """Why ``mko`` would refuse these words, whatever files there are; None where it would not."""
    command, rest = parsers().get(words[0]), words[1:]
    if isinstance(command, dict):
        command, rest = command.get(rest[0]) if rest else None, rest[1:]
    if command is None:
        return "unknown command"
    assert isinstance(command, Parser)
    try:
        given = command.parse(rest)
    except UserError as error:
        return str(error)
    arguments = [word for value in vars(given).values() if isinstance(value, list) for word in value]
    overrides = (
        split([word for word in arguments if isinstance(word, str)])[1] if _is_configured(words) else []
    )
    fields = [(words[0], override) for override in overrides]
    return next(
        (f"unknown field {f}" for kind, f in fields if not is_override(kind, f.partition("=")[0])), None
    )


def _is_configured(words: list[str]) -> bool:
    return words[0] in ("data", "job", "plan", "preflight", "submit", "train") and words[:2] != [
        "data",
        "manifest",
    ]


def is_override(command: str, path: str) -> bool:
    if command == "job":
        command, _, path = path.partition(".")
    return path in FIELDS["data" if command == "data" else "train"]


COMMANDS = [
    (name, line)
    for name in NAMES
    for line in shell_lines(read(name))
    if re.match(r"(mko|torchrun|sbatch) ", line)
]


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_commands_of_the_pages_exist(name, line):
    words = words_of(line)
    assert words, line
    assert problem_of(words) is None


def test_commands_of_the_pages_are_recognized():
    assert len(COMMANDS) > 60
    assert {words[0] for _, line in COMMANDS if (words := words_of(line))} >= {
        "checkpoint", "data", "generate", "init", "job", "plan", "tokenizer", "train",
    }  # fmt: skip
    assert problem_of(["data", "diff", "runs/my", "--only", "dropped"]) is None
    for line in (
        "mko dat run x.yaml",
        "mko data dedup x.yaml",
        "mko data diff runs/my --rules html",
        "mko data diff runs/my --only lost",
        "mko train x.yaml optimizer.lr=1",
        "mko job f data.tokenizer.size=1",
        "mko data tokens split a --share 98 2 --out b",
        "torchrun --nproc-per-node 8 -m megatron_ko.train x.yaml --rank 2",
    ):
        words = words_of(line)
        assert words and problem_of(words), line


@pytest.mark.parametrize("name", NAMES)
def test_commands_within_sentences_exist(name):
    text = FENCE.sub("", read(name))
    for span in (match[2] for match in CODE_SPAN.finditer(text)):
        words = span.split()
        if words[:1] != ["mko"] or len(words) < 2 or not re.fullmatch(r"[a-z][a-z-]*", words[1]):
            continue
        command = parsers()[words[1]]
        if isinstance(command, dict) and len(words) > 2 and re.fullmatch(r"[a-z][a-z-]*", words[2]):
            command = command[words[2]]
        if isinstance(command, Parser):
            options = [word for word in words if word.startswith("--") and word != "--help"]
            assert [option for option in options if option not in command.options()] == [], span


@pytest.mark.parametrize("name", NAMES)
def test_targets_of_make_and_modules_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    for line in shell_lines(read(name)):
        if found := re.match(r"make ([a-z-]+)", line):
            assert found[1] in targets
        for module in re.findall(r"python -m ([\w.]+)", line):
            path = ROOT / module.replace(".", "/")
            assert module == "pytest" or path.is_dir() or path.with_suffix(".py").is_file(), line


# --- configuration ---------------------------------------------------------------------------------------


def known_path(path: tuple[str, ...], fields: frozenset[str]) -> bool:
    """Whether the keys lead to a field or to what is inside one, with any key of a mapping or a list."""
    ways = {()}
    for key in path:
        ways = {(*way, step) for way in ways for step in (key, "NAME", "N")}
        ways = {
            way
            for way in ways
            if any(f == ".".join(way) or f.startswith(".".join(way) + ".") for f in fields)
        }
        if not ways:
            return False
        if all(not any(f.startswith(".".join(way) + ".") for f in fields) for way in ways):
            return True  # a field; what is below it is its value
    return True


def key_paths(tree: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Keys from the root to every value; the entries of a list of sections are named N."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from key_paths(value, (*above, str(key)))
    elif isinstance(tree, list) and any(isinstance(entry, dict) for entry in tree):
        for entry in tree:
            yield from key_paths(entry, (*above, "N"))
    else:
        yield above


def yaml_blocks(name: str) -> list[str]:
    return [block for language, block in FENCE.findall(read(name)) if language == "yaml"]


@pytest.mark.parametrize("name", GUIDES)
def test_fields_of_configurations_exist(name):
    for block in yaml_blocks(name):
        paths = list(key_paths(yaml.safe_load(block)))
        unknown = [[p for p in paths if not known_path(p, fields)] for fields in FIELDS.values()]
        assert min(unknown, key=len) == []


@pytest.mark.parametrize("name", GUIDES)
def test_fields_within_sentences_exist(name):
    sections = {path.partition(".")[0] for fields in FIELDS.values() for path in fields if "." in path}
    text = FENCE.sub("", read(name))
    unknown = []
    for span in (match[2] for match in CODE_SPAN.finditer(text)):
        keys = found[0].split(".") if (found := FIELD.match(span)) else []
        if not keys or keys[0] not in sections or keys[-1] in SUFFIXES or "x" in keys:
            continue
        path = tuple("ko" if key in ANY_KEY else key for key in keys)
        if not any(known_path(path, fields) for fields in FIELDS.values()):
            unknown.append(span)
    assert unknown == []


def test_whole_configurations_load_and_state_the_defaults(tmp_path):
    [data] = [b for b in yaml_blocks("docs/preprocessing-guide.md") if b.startswith("output:")]
    [train] = [b for b in yaml_blocks("docs/training-guide.md") if b.startswith("run:")]
    for text, tree in ((data, pipeline.Config), (train, training.Config)):
        path = tmp_path / "configuration.yaml"
        path.write_text(text, encoding="utf-8")
        load(tree, [str(path)], [])
    stated = load(pipeline.Config, [_written(tmp_path, data)], []).config
    plain = load(pipeline.Config, [_written(tmp_path, data[: data.index("\nclean:")])], []).config
    for section in ("clean", "lines", "deduplicate", "tokenizer", "encode", "seed"):
        assert getattr(stated, section) == getattr(plain, section)
    assert stated.balance.valid_fraction == plain.balance.valid_fraction
    assert stated.balance.max_epochs == plain.balance.max_epochs


def _written(folder: Path, text: str) -> str:
    path = folder / "data.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
