"""``mko init``: a commented data.yaml and train.yaml to begin with, and their schemas for an editor."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

from megatron_ko.config.cli import Parser
from megatron_ko.errors import ConfigError, UsageError, exit_code_of
from megatron_ko.files import write_text
from megatron_ko.program.schema import SCHEMAS, json_schema

TEMPLATES = Path(__file__).resolve().parent / "templates"
TEXT_SUFFIXES = (".txt", ".md", ".ipynb", ".jsonl", ".jsonl.gz", ".jsonl.zst")
TEXT_FILES = f"**/*.{{{','.join(suffix[1:] for suffix in TEXT_SUFFIXES)}}}"
CODE_FILES = "**/*.{py,pyi,ipynb,js,ts,java,c,h,cc,cpp,hpp,cs,go,rs,rb,php,kt,swift,scala,sql,sh,r,lua}"
_PATTERN_CHARACTERS = "*?[]{}"


def parser() -> Parser:
    made = Parser(
        prog="mko init",
        description="Writes data.yaml and train.yaml, with comments, into FOLDER: a small GPT on two CPU ranks.",
    )
    made.add_argument("folder", metavar="FOLDER", help="folder to write to; its name becomes that of the run")
    made.add_argument(
        "--text", default="my_text", metavar="FOLDER", help="folder with your text (default: my_text)"
    )
    made.add_argument("--code", metavar="FOLDER", help="folder with your source code (default: none)")
    made.add_argument("--runs", metavar="FOLDER", help="folder of results (default: runs/NAME)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    from preprocessing.readers.other_files import describe_other_files

    folder = Path(given.folder)
    runs = given.runs or f"runs/{folder.resolve().name}"
    files = starting_files(given.folder, runs, given.text, given.code)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder to write to", rule="not-a-folder")
    existing = [name for name in files if (folder / name).exists()]
    if existing:
        raise ConfigError(
            f"{folder}: {', '.join(existing)} already exist; choose another folder", rule="exists"
        )
    code = f" and source code into {given.code}/" if given.code else ""
    for option, path in (("--text", given.text), ("--code", given.code)):
        if path and Path(path).is_file():
            raise ConfigError(
                f"{option} {path}: is a file; give the folder that it is in", rule="not-a-folder"
            )
        if path and not Path(path).is_dir():
            print(f"note: {path}/ does not exist yet")
    if others := describe_other_files(Path(given.text), read=TEXT_SUFFIXES):
        print(f"note: {given.text}/ has files that data.yaml does not read yet: {others}")
    for name, content in files.items():
        write_text(folder / name, content)
    print(
        f"wrote {folder / 'data.yaml'} and {folder / 'train.yaml'}\n"
        f"next: put text into {given.text}/{code}, then\n"
        f"  mko job {folder}    all steps, with a report at the end; or one by one:\n"
        f"  mko data run {folder / 'data.yaml'}\n"
        f"  mko train {folder / 'train.yaml'} --ranks 2"
    )
    return 0


def starting_files(folder: str, runs: str, text: str, code: str | None) -> dict[str, str]:
    """Name and content of every file. Raises UsageError for a path that would be read as a pattern."""
    for path in (folder, runs, text, code or ""):
        if any(character in path for character in (*_PATTERN_CHARACTERS, "\n", "$")):
            raise UsageError(
                f"{path!r}: contains one of {_PATTERN_CHARACTERS}$; choose another path", rule="path"
            )
    values = {
        "folder": folder,
        "runs": runs,
        "text": _quote(f"{text}/{TEXT_FILES}"),
        "tables": _quote(f"{text}/**/*.{{csv,tsv}}"),
        "arrays": _quote(f"{text}/**/*.json"),
        "code": _quote(f"{code or 'my_code'}/{_code_files(text, code)}"),
        "text_share": "0.7" if code else "1.0",
        "schema": "$schema",
    }
    files = {
        f"{name}.yaml": Template(
            _choose_code((TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8"), code)
        ).substitute(values)
        for name in ("data", "train")
    }
    for name in SCHEMAS:
        files[f".schema/{name}.json"] = json.dumps(json_schema(name), indent=1, ensure_ascii=False) + "\n"
    return files


def _code_files(text: str, code: str | None) -> str:
    """The pattern of source code; without notebooks where the folder of text, which reads them too, is in it or around it."""
    here, there = Path(text).resolve(), Path(code or "my_code").resolve()
    is_shared = here == there or here in there.parents or there in here.parents
    return CODE_FILES.replace("ipynb,", "") if is_shared else CODE_FILES


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a YAML string


def _choose_code(template: str, code: str | None) -> str:
    """Without code, the lines between ``#[code`` and ``#]`` become comments."""
    lines, is_code = [], False
    for line in template.splitlines():
        if line in ("#[code", "#]"):
            is_code = line == "#[code"
        else:
            lines.append(line if code or not is_code else f"# {line}")
    return "\n".join(lines) + "\n"
