"""The proof that all readers of a tokenizer folder give the same ids, and the text back.

Owns which readers there are: the reference (SentencePiece, or ``tokenizers`` without ``tokenizer.model``), ``tokenizers``,
the engine of the step ``encode``, and ``transformers.AutoTokenizer`` in a process of its own, of any Python.
"""

from __future__ import annotations

import array
import itertools
import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.formats.tokenizer_folder import Tokenizer, TokenizerInfo
from preprocessing.tokenizers import encoders
from preprocessing.tokenizers.hard_texts import HARD_TEXTS

log = logging.getLogger(__name__)
BATCH_CHARACTERS = 1 << 20
# Reads a folder as anyone would: nothing is asked for that is not the default, unless the tokenizer is another's, which may
# add special tokens and lose text. argv: folder, texts (JSON lines), ids, copy, whether it is ours
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


def prove(
    folder: Path,
    texts: Iterable[str],
    work: Path,
    pythons: Iterable[str] = (sys.executable,),
    ours: bool = True,
) -> Proof:
    """Compares all readers on the fixed hard texts and ``texts``; ``work`` is a folder for what they pass on.

    ``pythons`` are interpreters whose AutoTokenizer is asked. A tokenizer that is not ``ours`` may lose text, and add special
    tokens where it is asked to. Raises DataError at the first difference.
    """
    reference, plain = Tokenizer(folder), Tokenizer(folder, prefer_json=True)
    engine = _engine(folder)
    work.mkdir(parents=True, exist_ok=True)
    count = 0
    with (
        open(work / "texts.jsonl", "w", encoding="utf-8") as lines,
        open(work / "expected.ids", "wb") as expected,
    ):
        for batch in _batches(itertools.chain(HARD_TEXTS, texts)):
            rows = _rows(reference.encode_batch(batch))
            _compare("tokenizers", batch, rows, _rows(plain.encode_batch(batch)))
            if engine is not None:
                _compare(engine.name, batch, rows, _rows(engine.encode_batch(batch)))
            for text, row in zip(batch, rows):
                for reader in (reference, plain):
                    if ours and (decoded := reader.decode(row)) != text:
                        raise DataError(f"text does not come back from its tokens: {_shown(text, decoded)}")
                lines.write(json.dumps(text) + "\n")
                expected.write(array.array("q", [len(row), *row]).tobytes())
            count += len(batch)
    installed = [
        name
        for name in ("sentencepiece", "tokenizers")
        if name == "tokenizers" or reference.uses_sentencepiece
    ]
    readers = [*installed, *([engine.name] if engine else [])]
    named = [f"{name} {encoders.engine_version(name) or ''}".strip() for name in readers]
    return Proof(
        count,
        [*named, *filter(None, (_ask_transformers(folder, work, p, reference.info, ours) for p in pythons))],
    )


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


def _compare(name: str, texts: list[str], expected: list[list[int]], found: list[list[int]]) -> None:
    for text, right, other in zip(texts, expected, found, strict=True):
        if right != other:
            raise _different(name, text, right, other)


def _different(name: str, text: str, right: list[int], other: list[int]) -> DataError:
    at = next(
        (i for i, pair in enumerate(zip(right, other)) if pair[0] != pair[1]), min(len(right), len(other))
    )
    return DataError(
        f"{name} gives other ids than the reference at token {at} of {text[:80]!r}: {other[at : at + 5]} instead of "
        f"{right[at : at + 5]}; report this text with the tokenizer"
    )


def _shown(text: str, decoded: str) -> str:
    at = next(
        (i for i, pair in enumerate(zip(text, decoded)) if pair[0] != pair[1]), min(len(text), len(decoded))
    )
    start = max(0, at - 20)
    return f"{text[start : at + 40]!r} became {decoded[start : at + 40]!r}; report it with the tokenizer"


def _ask_transformers(folder: Path, work: Path, python: str, info: TokenizerInfo, ours: bool) -> str | None:
    """Name and version of the reader, None where there is none. Raises DataError when it differs."""
    names = (
        str(folder.resolve()),
        str(work / "texts.jsonl"),
        str(work / "found.ids"),
        str(work / "saved"),
        str(ours),
    )
    done = subprocess.run([python, "-c", AUTO_TOKENIZER, *names], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"transformers of {python} cannot read {folder}: {done.stderr.strip()[-500:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    if said.get("missing"):
        log.info("train-tokenizer: transformers is not installed for %s and was not compared", python)
        return None
    name = f"transformers {said['version']}"
    found, expected = (np.fromfile(work / f"{kind}.ids", np.int64) for kind in ("found", "expected"))
    if not np.array_equal(found, expected):
        raise _first_different(name, work, found.tolist(), expected.tolist())
    for problem, sentence in (
        ("lost", "does not give the text back"),
        ("special", "turns text into special tokens"),
        ("resaved", "gives other ids or text after save_pretrained, somewhere after"),
    ):
        if said[problem] is not None:
            raise DataError(
                f"{name} {sentence}: {_line(work, said[problem])[:80]!r}; report it with the tokenizer"
            )
    roles = {role: number for role, number in info.special_ids.items()}
    if said["roles"] != roles or said["size"] != info.vocab_size:
        raise DataError(
            f"{name} reads other special ids or another size from {folder}: {said['roles']}, {said['size']} instead of "
            f"{roles}, {info.vocab_size}; report it with the tokenizer"
        )
    return name


def _first_different(name: str, work: Path, found: list[int], expected: list[int]) -> DataError:
    number = at = other_at = 0
    while True:
        right = expected[at + 1 : at + 1 + expected[at]]
        other = found[other_at + 1 : other_at + 1 + found[other_at]]
        if right != other:
            return _different(name, _line(work, number), right, other)
        number, at, other_at = number + 1, at + 1 + len(right), other_at + 1 + len(other)


def _line(work: Path, number: int) -> str:
    with open(work / "texts.jsonl", encoding="utf-8") as lines:
        return json.loads(next(itertools.islice(lines, number, None)))
