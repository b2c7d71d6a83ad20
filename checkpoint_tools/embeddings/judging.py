"""How good is an initialization before any training? Loss, next-token accuracy and bits per byte on given text.

Owns the texts as tokens, the order of the runs, and the table. The base model's own row, with the old tokenizer on the
same text, comes first: bits per byte compares the two, the loss of a token does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from checkpoint_tools import verify
from checkpoint_tools.embeddings import texts
from checkpoint_tools.embeddings.expansion import Expansion, expand_vocab
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.store import Store
from checkpoint_tools.scores import Scores, Stream, stream_of
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.tokenizer_folder import Tokenizer, TokenizerInfo
from megatron_ko.planning.weights import input_weight, output_weight

BASE = "before (old tokenizer)"


@dataclass(frozen=True)
class Text:
    """One file's beginning, by both tokenizers."""

    path: Path
    old: Stream
    new: Stream


@dataclass(frozen=True)
class Verdict:
    """Scores of one initialization (or of BASE), one per text; ``vocab_size`` is the model's."""

    name: str
    vocab_size: int
    scores: tuple[Scores, ...]


def read_texts(paths: Sequence[Path], plan: Expansion, tokens: int, length: int) -> list[Text]:
    """The first documents of each file: about ``tokens`` tokens of the new tokenizer, in rows of ``length``."""
    old, new = Tokenizer(plan.old.folder), Tokenizer(plan.new.folder)
    separators = separator_of(plan.old.info), separator_of(plan.new.info)
    found = []
    for path in paths:
        documents: list[str] = []
        count = 0
        for text in texts.documents(path):
            ids = new.encode(text)
            full = count + len(ids) >= tokens
            if full:
                text = text[: max(len(text) * (tokens - count) // len(ids), 1)]
                ids = new.encode(text)
            documents.append(text)
            count += len(ids)
            if full:
                break
        size = sum(len(text.encode()) for text in documents)
        if not count:
            raise CheckpointError(f"text: {path}: contains no text; give another file")
        streams = [
            stream_of([tokenizer.encode(text) for text in documents], separator, length, size)
            for tokenizer, separator in zip((old, new), separators)
        ]
        found.append(Text(path, *streams))
    return found


def separator_of(info: TokenizerInfo) -> int:
    """The token that begins a document: eos, as in training, or bos where a tokenizer has no eos."""
    separator = info.eos_id if info.eos_id is not None else info.bos_id
    if separator is None:
        raise CheckpointError(
            f"{info.folder}: names neither an eos nor a bos token, so a text has no beginning; name one in "
            "tokenizer_config.json"
        )
    return separator


def judge(source: Store, plan: Expansion, names: Sequence[str], judged: Sequence[Text]) -> list[Verdict]:
    """Runs BASE and each initialization: Hugging Face folders by transformers, checkpoints by megatron-core, in fp32."""

    def variants() -> Iterator[tuple[Tensor, Tensor, list[Stream]]]:
        yield *_matrices(source), [text.old for text in judged]
        for name in names:
            yield *_matrices(expand_vocab(source, plan, name)), [text.new for text in judged]

    run = mcore.megatron_scores if mcore.is_mcore(Path(source.origin)) else verify.hf_scores
    scores = run(Path(source.origin), variants())
    sizes = [source.vocab_size, *[plan.new.size] * len(names)]
    return [Verdict(name, size, tuple(row)) for name, size, row in zip([BASE, *names], sizes, scores)]


def _matrices(store: Store) -> tuple[Tensor, Tensor]:
    """Rows of the input and of the output: the same tensor where embeddings are tied."""
    rows, output = store.tensor(input_weight().name), output_weight(store.model)
    return rows, rows if output == input_weight() else store.tensor(output.name)


# --- for people ------------------------------------------------------------------------------------------


def table(verdicts: Sequence[Verdict], judged: Sequence[Text], chosen: str | None) -> str:
    """One block per text; the lowest loss of an initialization is marked, and the chosen one."""
    lines: list[str] = []
    for number, text in enumerate(judged):
        rows = [_row(verdict, number) for verdict in verdicts]
        best = min((v for v in verdicts if v.name != BASE), key=lambda v: v.scores[number].mean_loss)
        compared = len(verdicts) > 2
        marks = [
            ", ".join(["lowest loss"] * (compared and v is best) + ["written"] * (v.name == chosen))
            for v in verdicts
        ]
        header = ("initialization", "loss", "ln V", "accuracy", "bits/byte", "tokens", "")
        cells = [header, *((*row, mark) for row, mark in zip(rows, marks))]
        widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
        lines += ["", f"before training, on {text.path.name} ({text.new.text_bytes:,} bytes):"]
        for row in cells:
            body = "  ".join(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1]))
            lines.append(f"  {row[0]:<{widths[0]}}  {body}  {row[-1]}".rstrip())
    return "\n".join([*lines, ""])


def _row(verdict: Verdict, number: int) -> tuple[str, ...]:
    scores = verdict.scores[number]
    return (
        verdict.name,
        f"{scores.mean_loss:.4f}",
        f"{math.log(verdict.vocab_size):.4f}",
        f"{scores.accuracy:.4f}",
        f"{scores.bits_per_byte:.4f}",
        f"{scores.tokens:,}",
    )


def report(verdicts: Sequence[Verdict], judged: Sequence[Text]) -> list[dict[str, Any]]:
    """For ``expansion.json``."""
    return [
        {
            "text": str(text.path),
            "text_bytes": text.new.text_bytes,
            "scores": {
                v.name: {
                    "loss": v.scores[number].mean_loss,
                    "ln_vocab_size": math.log(v.vocab_size),
                    "accuracy": v.scores[number].accuracy,
                    "bits_per_byte": v.scores[number].bits_per_byte,
                    "tokens": v.scores[number].tokens,
                }
                for v in verdicts
            },
        }
        for number, text in enumerate(judged)
    ]
