"""The donor: a Korean SentencePiece model whose pieces extend a base, trained on Korean documents or read from a file.

Owns the checks before training: text without Korean, too few pieces for its characters, too little memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.vocabulary import Piece
from preprocessing.config.languages import KOREAN
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.corpus.assignment import positions
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers import forecast, trainers
from preprocessing.tokenizers.text_files import TextPart, documents_of
from preprocessing.tokenizers.token_use import Amount

log = logging.getLogger(__name__)
COVERAGE = 0.9995  # of characters; rarer ones stay bytes
SEED = 0


def amounts_of(parts: Sequence[TextPart], pool: WorkerPool) -> dict[str, Amount]:
    """Documents and bytes by language. Raises DataError for text without Korean."""
    total: dict[str, Amount] = {}
    for amounts in pool.map(_amounts_in, [(part,) for part in parts], "read", [part.size for part in parts]):
        for lang, amount in amounts.items():
            total.setdefault(lang, Amount()).add(amount)
    if not any(lang in total for lang in KOREAN):
        counts = ", ".join(f"{lang} {amount.documents:,}" for lang, amount in sorted(total.items()))
        raise DataError(
            f"--text: no document is Korean (documents: {counts or 'none'}); add Korean text",
            rule="no-korean-text",
        )
    return total


def _amounts_in(part: TextPart) -> dict[str, Amount]:
    amounts: dict[str, Amount] = {}
    for batch in documents_of(part):
        sizes = (len(text.encode("utf-8")) for text in batch["text"].to_pylist())
        for lang, size in zip(batch["lang"].to_pylist(), sizes):
            amounts.setdefault(lang, Amount()).add(Amount(1, size))
    return amounts


def read_donor(path: Path) -> Sequence[Piece]:
    """The pieces of a SentencePiece model of any type; ``path`` is the model or its folder."""
    model = path / "tokenizer.model" if path.is_dir() else path
    if not model.is_file():
        raise DataError(f"{model}: no such SentencePiece model; check --donor", rule="missing-file")
    return read_model(model.read_bytes(), model).vocabulary.pieces


def train_donor(
    parts: Sequence[TextPart], amounts: dict[str, Amount], size: int | None, new: int, sample_bytes: int
) -> bytes:
    """Trains a SentencePiece BPE model of ``size`` pieces (None: twice ``new``, or as many as the text allows).

    Raises DataError before work starts when the memory or the size is too small.
    """
    korean = sum(amounts[lang].bytes for lang in KOREAN if lang in amounts)
    share = min(1.0, sample_bytes / max(korean, 1))
    settings = TokenizerConfig(vocab_size=size or 2 * new, character_coverage=COVERAGE)
    _refuse_too_much(settings, int(share * korean))
    least = forecast.smallest_vocabulary(settings, forecast.count_characters(_sample(parts, share)))
    if size is not None and size < least:
        raise ConfigError(
            f"--donor-size: {size:,} is too small: special tokens, bytes and the characters of this text alone need "
            f"{least:,} pieces; raise it",
            rule="vocab-too-small",
        )
    wanted = size or max(2 * new, least + new)
    settings = TokenizerConfig(vocab_size=wanted, character_coverage=COVERAGE)
    try:
        return trainers.train(_sample(parts, share), settings)
    except trainers.TooLarge as error:
        if size is not None:
            raise ConfigError(
                f"--donor-size: {size:,} is too large: {korean:,} bytes of Korean text yield at most {error.largest:,} pieces; "
                "lower it, or add text",
                rule="vocab-too-large",
            ) from None
        log.info("the text yields %s Korean pieces, fewer than %s", f"{error.largest:,}", f"{wanted:,}")
        settings = TokenizerConfig(vocab_size=error.largest, character_coverage=COVERAGE)
        return trainers.train(_sample(parts, share), settings)


def _refuse_too_much(settings: TokenizerConfig, sample_bytes: int) -> None:
    expected, free = forecast.forecast(settings, sample_bytes), forecast.free_memory()
    log.info(
        "Korean model: %s pieces from %.1f MB of text: %s (free: %.1f GiB)",
        *(f"{settings.vocab_size:,}", sample_bytes / 1e6, expected, free / 2**30),
    )
    if expected.memory_bytes > free:
        raise DataError(
            f"--sample-mb: training on {sample_bytes / 1e6:,.0f} MB takes {expected}, but only {free / 2**30:.1f} GiB are free; "
            "lower it, or free memory",
            rule="too-little-memory",
        )


def _sample(parts: Sequence[TextPart], share: float) -> Iterator[str]:
    """A share of the Korean documents, chosen by the hash of their id."""
    for part in parts:
        for batch in documents_of(part):
            chosen = positions(batch["id"], SEED) <= share * (2.0**64 - 1)
            rows = zip(batch["text"].to_pylist(), batch["lang"].to_pylist(), chosen.tolist())
            yield from (text for text, lang, take in rows if take and lang in KOREAN)
