"""English that every Python brings: the documentation of its language and of its standard library.

    python -m examples.continue.texts runs/continue/english.jsonl

Owns the choice of the text and its division into documents: JSON lines with the field ``text``, the same bytes for the same
Python.
"""

from __future__ import annotations

import ast
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from megatron_ko.files import atomic_file
from preprocessing.readers.standard_library import standard_library

LEAST_CHARACTERS = 80
"""Shorter docstrings and paragraphs name things; they do not describe them."""
DOCUMENT_CHARACTERS = 4000
"""A document ends with the paragraph that exceeds this."""
ALL_BYTES = 1 << 30


def main(arguments: list[str]) -> int:
    (path,) = arguments
    write_english(Path(path))
    return 0


def write_english(path: Path) -> None:
    """Writes the documents of all topics and modules, in the order of their names."""
    with atomic_file(path, "w") as file:
        for name, text in (*_topics(), *_modules()):
            for number, document in enumerate(_documents(text)):
                record = {"id": f"{name}-{number}", "text": document, "source": "english", "lang": "en"}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _topics() -> Iterator[tuple[str, str]]:
    """The language reference that ``help()`` prints."""
    from pydoc_data.topics import topics

    for name, text in sorted(topics.items()):
        yield f"topic-{name}", text


def _modules() -> Iterator[tuple[str, str]]:
    """The docstrings of each module of the standard library, in their order in the file."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in standard_library(ALL_BYTES, seed=0):
        tree = ast.parse(path.read_bytes())
        named = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        strings = (ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, named))
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        yield f"module-{name}", "\n\n".join(text for text in strings if len(text) >= LEAST_CHARACTERS)


def _documents(text: str) -> Iterator[str]:
    """``text`` cut between paragraphs into parts of about DOCUMENT_CHARACTERS."""
    part: list[str] = []
    size = 0
    for paragraph in text.split("\n\n"):
        part.append(paragraph)
        size += len(paragraph)
        if size > DOCUMENT_CHARACTERS:
            yield "\n\n".join(part)
            part, size = [], 0
    if size >= LEAST_CHARACTERS:
        yield "\n\n".join(part)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
