"""The proof that all readers of a tokenizer folder give the same ids, and the text back.

Owns which readers there are: the reference (SentencePiece, or ``tokenizers`` without ``tokenizer.model``), ``tokenizers``,
the engine of the step ``encode``, and ``transformers.AutoTokenizer`` in a process of its own, of any Python.
"""

from __future__ import annotations

import array
import errno
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats.tokenizer_folder import Tokenizer, TokenizerInfo
from megatron_ko.formats.tokenizer_json import tokens_in
from megatron_ko.progress import ProgressBar
from preprocessing.tokenizers import encoders
from preprocessing.tokenizers.hard_texts import HARD_TEXTS

log = logging.getLogger(__name__)
BATCH_CHARACTERS = 1 << 18
BYTES_PER_STRING, FEWEST_STRINGS = 100, 10_000
POLL_S = 0.2
_FULL_DISK = re.compile(rf"[Ee]rr(?:no|or) (?:{errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\b")
"""Errors of Python ("[Errno 28] ...") and Rust ("(os error 28)")."""
# Reads a folder as anyone would: with default options only, unless the tokenizer is another's, which may add special tokens
# and lose text. argv: folder, texts (JSON lines), ids, copy, whether it is ours
AUTO_TOKENIZER = """
import array, json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
sys.modules["torch"] = None  # takes seconds to import and has no part in this
try:
    import transformers
except ImportError:
    print(json.dumps({"missing": True}))
    sys.exit(0)
transformers.logging.set_verbosity_error()
folder, texts, ids, copy, ours = sys.argv[1:]
options = {} if ours == "True" else {"add_special_tokens": False}
first = transformers.AutoTokenizer.from_pretrained(folder)
first.save_pretrained(copy)
again = transformers.AutoTokenizer.from_pretrained(copy)
roles = {f"{role}_id": getattr(first, f"{role}_token_id") for role in ("bos", "eos", "pad", "unk")}
special = set(first.all_special_ids) - (set() if ours == "True" else {first.unk_token_id})
lost = other = resaved = None
number = 0
with open(texts, encoding="utf-8") as lines, open(ids, "wb") as out:
    while batch := [json.loads(line) for _, line in zip(range(512), lines)]:
        rows = first(batch, **options)["input_ids"]
        back = batch if ours == "True" else first.batch_decode(rows, skip_special_tokens=True)
        if number < 8192:
            found = again(batch, **options)["input_ids"], again.batch_decode(rows, skip_special_tokens=True)
            if resaved is None and found != (rows, back):
                resaved = number
        for text, row, decoded in zip(batch, rows, first.batch_decode(rows)):
            if other is None and special.intersection(row):
                other = number
            if lost is None and ours == "True" and decoded != text:
                lost = number
            array.array("q", [len(row), *row]).tofile(out)
            number += 1
print(json.dumps({"version": transformers.__version__, "roles": roles, "size": len(first), "lost": lost,
                  "special": other, "resaved": resaved}))
"""


@dataclass(frozen=True)
class Proof:
    """What was compared: number of texts, and the readers by name and version."""

    texts: int
    readers: list[str]


def strings_for(corpus_bytes: int, most: int) -> int:
    """How many generated strings prove a tokenizer: one per 100 bytes of its training text, at least 10,000, at most ``most``."""
    return min(most, max(FEWEST_STRINGS, corpus_bytes // BYTES_PER_STRING))


def prove(
    folder: Path,
    texts: Iterable[str],
    work: Path,
    pythons: Iterable[str] = (sys.executable,),
    ours: bool = True,
) -> Proof:
    """Compares all readers on the fixed hard texts and ``texts``; ``work`` is a folder for temporary files.

    ``pythons`` are interpreters whose AutoTokenizer is compared. A tokenizer that is not ``ours`` may lose text, and add
    special tokens where it is asked to. Raises DataError at the first difference.
    """
    reference, plain = Tokenizer(folder), Tokenizer(folder, prefer_json=True)
    engine = _engine(folder)
    work.mkdir(parents=True, exist_ok=True)
    with (
        open(work / "texts.jsonl", "w", encoding="utf-8") as lines,
        open(work / "expected.ids", "wb") as expected,
        ProgressBar("comparing readers", unit="text") as bar,
    ):
        for batch in _batches(itertools.chain(HARD_TEXTS, texts)):
            rows = _rows(reference.encode_batch(batch))
            _compare("tokenizers", batch, rows, _rows(plain.encode_batch(batch)))
            if engine is not None:
                _compare(engine.name, batch, rows, _rows(engine.encode_batch(batch)))
            for text, row in zip(batch, rows):
                for reader in (reference, plain):
                    if ours and (decoded := reader.decode(row)) != text:
                        message = f"decoding does not give the text back: {_show(text, decoded)}"
                        raise DataError(message, rule="text-not-restored")
                lines.write(json.dumps(text) + "\n")
                expected.write(array.array("q", [len(row), *row]).tobytes())
            bar.update(len(batch))
    names = ["tokenizers", *([engine.name] if engine else [])]
    if reference.uses_sentencepiece:
        names.insert(0, "sentencepiece")
    readers = [f"{name} {encoders.engine_version(name) or ''}".strip() for name in names]
    others = [_compare_transformers(folder, work, python, reference.info, ours) for python in pythons]
    return Proof(bar.count, [*readers, *filter(None, others)])


def _engine(folder: Path) -> Any:
    """The engine that encodes the corpus, unless it is the reference."""
    name = encoders.choose(folder, "auto", ())
    return None if name == encoders.reference_name(folder) else encoders.encoder_of(folder, name)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(encoded: tuple[Any, Any]) -> list[list[int]]:
    ids, offsets = (np.asarray(part).tolist() for part in encoded)
    return [ids[start:stop] for start, stop in zip(offsets, offsets[1:])]


def _compare(name: str, texts: list[str], expected: list[list[int]], actual: list[list[int]]) -> None:
    for text, right, other in zip(texts, expected, actual, strict=True):
        if right != other:
            raise _difference(name, text, right, other)


def _difference(name: str, text: str, right: list[int], other: list[int]) -> DataError:
    at = _first_difference(right, other)
    return DataError(
        f"{name} gives other ids than the reference at token {at} of {text[:80]!r}: {other[at : at + 5]} instead of "
        f"{right[at : at + 5]}; report this text with the tokenizer",
        rule="other-ids",
    )


def _first_difference(first: Any, second: Any) -> int:
    pairs = enumerate(zip(first, second))
    return next((i for i, (left, right) in pairs if left != right), min(len(first), len(second)))


def _show(text: str, decoded: str) -> str:
    at = _first_difference(text, decoded)
    start = max(0, at - 20)
    return f"{text[start : at + 40]!r} became {decoded[start : at + 40]!r}; report it with the tokenizer"


def _compare_transformers(
    folder: Path, work: Path, python: str, info: TokenizerInfo, ours: bool
) -> str | None:
    """Name and version of the reader, None where it is not installed. Raises DataError when it differs."""
    answer = _run_transformers(folder, work, python, ours)
    if answer.get("missing"):
        log.info("transformers is not installed for %s and was not compared", python)
        return None
    name = f"transformers {answer['version']}"
    actual, expected = (np.fromfile(work / f"{file}.ids", np.int64) for file in ("transformers", "expected"))
    if not np.array_equal(actual, expected):
        raise _first_different_text(name, work, actual.tolist(), expected.tolist())
    for problem, rule, sentence in (
        ("lost", "text-not-restored", "does not give the text back"),
        ("special", "special-tokens-in-text", "turns text into special tokens"),
        ("resaved", "save-pretrained-differs", "gives other ids or text after save_pretrained, at or after"),
    ):
        if answer[problem] is not None:
            text = _line(work, answer[problem])[:80]
            raise DataError(f"{name} {sentence}: {text!r}; report it with the tokenizer", rule=rule)
    roles = dict(info.special_ids)
    # fewer than ids where ids have no token
    tokens = len(tokens_in(read_json(folder / "tokenizer.json"), folder))
    if answer["roles"] != roles or answer["size"] != tokens:
        raise DataError(
            f"{name} reads other special ids or another size from {folder}: {answer['roles']}, {answer['size']} instead "
            f"of {roles}, {tokens}; report it with the tokenizer",
            rule="other-special-ids",
        )
    return name


def _run_transformers(folder: Path, work: Path, python: str, ours: bool) -> dict[str, Any]:
    """What AUTO_TOKENIZER prints; shows how many of the expected ids it has written."""
    ids = work / "transformers.ids"
    ids.unlink(missing_ok=True)
    names = (folder.resolve(), work / "texts.jsonl", ids, work / "saved", ours)
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [python, "-c", AUTO_TOKENIZER, *map(str, names)], stdout=out, stderr=errors
        ) as program,
        ProgressBar("comparing transformers", (work / "expected.ids").stat().st_size, "B") as bar,
    ):
        try:
            while program.poll() is None:
                bar.update((ids.stat().st_size if ids.is_file() else 0) - bar.count)
                time.sleep(POLL_S)
        except BaseException:
            program.kill()
            raise
        out.seek(0)
        errors.seek(0)
        if program.returncode:
            message = errors.read().decode("utf-8", "replace").strip()[-500:]
            if _FULL_DISK.search(message):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work))
            raise DataError(
                f"transformers of {python} cannot read {folder}: {message}", rule="transformers-cannot-read"
            )
        return json.loads(out.read().splitlines()[-1])


def _first_different_text(name: str, work: Path, actual: list[int], expected: list[int]) -> DataError:
    number = at = other_at = 0
    while True:
        right = expected[at + 1 : at + 1 + expected[at]]
        other = actual[other_at + 1 : other_at + 1 + actual[other_at]]
        if right != other:
            return _difference(name, _line(work, number), right, other)
        number, at, other_at = number + 1, at + 1 + len(right), other_at + 1 + len(other)


def _line(work: Path, number: int) -> str:
    with open(work / "texts.jsonl", encoding="utf-8") as lines:
        return json.loads(next(itertools.islice(lines, number, None)))
