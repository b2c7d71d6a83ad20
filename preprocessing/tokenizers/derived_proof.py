"""Proves a tokenizer derived from a base; owns the texts of the proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from megatron_ko.formats.tokenizer_folder import Tokenizer
from preprocessing.tokenizers.bases import Base
from preprocessing.tokenizers.hard_texts import generated_texts
from preprocessing.tokenizers.proof import Proof, prove
from preprocessing.tokenizers.text_files import TextPart, batches_of

PROOF_STRINGS, PROOF_CHARACTERS = 20_000, 4 << 20


def prove_derived(base: Base, folder: Path, parts: Sequence[TextPart], work: Path) -> Proof:
    """Compares all readers on generated texts and documents of every part; the base may lose parts of a text."""
    pieces = Tokenizer(folder).surfaces()[base.size :]
    return prove(folder, _proof_texts(pieces, parts), work, ours=False)


def _proof_texts(pieces: list[str], parts: Sequence[TextPart]) -> Iterator[str]:
    yield from generated_texts(PROOF_STRINGS, pieces)
    for part in parts:
        left = PROOF_CHARACTERS // len(parts)
        for batch in batches_of(part):
            for text in batch["text"].to_pylist():
                left -= len(text)
                if left > 0:
                    yield text
            if left <= 0:
                break
