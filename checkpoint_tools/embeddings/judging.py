"""Judges initializations before any training: loss, next-token accuracy and bits per byte on text.

Owns the encoded texts, the order of the runs, and the table. The first row is the source model with the old tokenizer
on the same text: bits per byte is comparable between tokenizers, the loss per token is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from checkpoint_tools import texts, verify
from checkpoint_tools.embeddings.expansion import Expansion, expand_vocab
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.store import Store
from checkpoint_tools.scores import Scores, Stream, stream_of
from checkpoint_tools.texts import separator_of
from megatron_ko.formats.tokenizer_folder import Tokenizer
from megatron_ko.planning.weights import input_weight, output_weight

BASE = "before (old tokenizer)"
"""Name of the source model in ``expansion.json``."""
BASE_LABEL = "old tokenizer"


@dataclass(frozen=True)
class Text:
    """The start of a file, encoded by both tokenizers."""

    path: Path
    old: Stream
    new: Stream


@dataclass(frozen=True)
class Verdict:
    """Scores of one initialization (or of BASE), one per text; ``vocab_size`` is the model's."""

    name: str
    vocab_size: int
    scores: tuple[Scores, ...]

    @property
    def bits_per_byte(self) -> float:
        """Over all texts together."""
        return sum(s.loss for s in self.scores) / math.log(2) / sum(s.text_bytes for s in self.scores)


def read_texts(paths: Sequence[Path], plan: Expansion, tokens: int, length: int) -> list[Text]:
    """The first documents of each file, about ``tokens`` tokens of the new tokenizer, in rows of ``length``."""
    old, new = Tokenizer(plan.old.folder), Tokenizer(plan.new.folder)
    separators = separator_of(plan.old.info), separator_of(plan.new.info)
    encoded = []
    for path in paths:
        documents = texts.first_documents(path, new, tokens)
        size = sum(len(text.encode()) for text in documents)
        streams = [
            stream_of([tokenizer.encode(text) for text in documents], separator, length, size)
            for tokenizer, separator in zip((old, new), separators)
        ]
        encoded.append(Text(path, *streams))
    return encoded


def judge(source: Store, plan: Expansion, names: Sequence[str], judged: Sequence[Text]) -> list[Verdict]:
    """Scores BASE and each initialization in fp32, by transformers or, for checkpoints, by megatron-core."""

    def variants() -> Iterator[tuple[Tensor, Tensor, list[Stream]]]:
        yield *_matrices(source), [text.old for text in judged]
        for name in names:
            yield *_matrices(expand_vocab(source, plan, name)), [text.new for text in judged]

    run = mcore.megatron_scores if mcore.is_mcore(Path(source.origin)) else verify.hf_scores
    scores = run(Path(source.origin), variants())
    sizes = [source.vocab_size, *[plan.new.size] * len(names)]
    return [Verdict(name, size, tuple(row)) for name, size, row in zip([BASE, *names], sizes, scores)]


def _matrices(store: Store) -> tuple[Tensor, Tensor]:
    """Input and output rows [vocab, hidden]; the same tensor where embeddings are tied."""
    rows, output = store.tensor(input_weight().name), output_weight(store.model)
    return rows, rows if output == input_weight() else store.tensor(output.name)


def best_of(verdicts: Sequence[Verdict]) -> Verdict:
    """The initialization with the fewest bits per byte over all texts together; of equal ones the first."""
    return min((verdict for verdict in verdicts if verdict.name != BASE), key=lambda v: v.bits_per_byte)


# --- for people ------------------------------------------------------------------------------------------


def table(verdicts: Sequence[Verdict], judged: Sequence[Text], chosen: str | None) -> str:
    """One block per text. Marks the initialization of the lowest loss and the chosen one."""
    lines: list[str] = []
    for number, text in enumerate(judged):
        best = min((v for v in verdicts if v.name != BASE), key=lambda v: v.scores[number].mean_loss)
        several = len(verdicts) > 2
        header = ("initialization", "loss ", "ln V", "accuracy", "bits/byte", "tokens", "")
        cells = [header, *(_row(v, number, several and v is best, v.name == chosen) for v in verdicts)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
        lines += ["", f"before training, on {text.path.name} ({text.new.text_bytes:,} bytes):"]
        for row in cells:
            body = "  ".join(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1]))
            lines.append(f"{row[0]:<{widths[0]}}  {body}  {row[-1]}".rstrip())
        lines += ["* lowest loss of the initializations"] if several else []
    return "\n".join([*lines, ""])


def _row(verdict: Verdict, number: int, is_best: bool, is_chosen: bool) -> tuple[str, ...]:
    scores = verdict.scores[number]
    return (
        BASE_LABEL if verdict.name == BASE else verdict.name,
        f"{scores.mean_loss:.4f}{'*' if is_best else ' '}",
        f"{math.log(verdict.vocab_size):.4f}",
        f"{scores.accuracy:.4f}",
        f"{scores.bits_per_byte:.4f}",
        f"{scores.tokens:,}",
        "written" if is_chosen else "",
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
