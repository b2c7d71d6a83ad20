"""Trains byte-level BPE with the trainer of ``tokenizers``, which merges pairs of bytes within words.

Owns the split into words and the ``tokenizer.json``: special tokens first, then symbols, the 256 bytes, and the learned
pieces. Special tokens are not added tokens, so text that spells one stays text.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from megatron_ko.errors import DataError
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.tokenizers.morphemes import MORPHEME_END
from preprocessing.tokenizers.sentencepiece_to_json import added_token
from preprocessing.tokenizers.trainers import prepare, user_symbols

SPECIAL_TOKENS = {"bos": "<s>", "eos": "</s>", "pad": "<pad>"}
"""Bytes represent any text, so there is no unknown token."""
# the split of GPT-4 (cl100k_base of tiktoken); with single digits it is the split of Qwen2; fast readers support both
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def train(texts: Iterable[str], settings: TokenizerConfig) -> dict[str, Any]:
    """The ``tokenizer.json``, deterministic for the same texts. Raises DataError when there is no or too little text."""
    words = _WORDS.format(digits="" if settings.split_digits else "{1,3}")
    split = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": words}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        ],
    }
    names = [*SPECIAL_TOKENS.values(), *settings.control_tokens]
    symbols = user_symbols(settings)
    learned = _learn(texts, split, settings, settings.vocab_size - len(names) - len(symbols))
    pieces = sorted(learned["vocab"], key=learned["vocab"].get)
    order = [*names, *symbols, *pieces]
    if len(order) != settings.vocab_size:
        raise DataError(
            f"tokenizer.vocab_size: {settings.vocab_size} is too large for this corpus; the largest possible size is "
            f"{len(order)}; lower it, or add text",
            rule="vocab-too-large",
        )
    model = {**learned, "vocab": {piece: number for number, piece in enumerate(order)}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(symbol, order.index(symbol)) for symbol in symbols],
        "normalizer": None,
        "pre_tokenizer": split,
        "post_processor": None,
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": False,
        },
        "model": model,
    }


def _learn(
    texts: Iterable[str], split: dict[str, Any], settings: TokenizerConfig, size: int
) -> dict[str, Any]:
    """The trained ``model`` with bytes and merges only."""
    if size < 256:
        raise DataError(
            f"tokenizer.vocab_size: {settings.vocab_size} is too small: bytes, special tokens and symbols alone need "
            f"{settings.vocab_size - size + 256}; raise it",
            rule="vocab-too-small",
        )
    empty = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": split,
        "model": json.loads(tokenizers.Tokenizer(BPE()).to_str())["model"],
    }
    learner = tokenizers.Tokenizer.from_str(json.dumps(empty))
    trainer = BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=sorted(ByteLevel.alphabet()),
        max_token_length=settings.max_piece_characters,
        show_progress=False,
    )
    parts = _parts(texts, settings)
    first = next(parts, None)
    if first is None:
        raise DataError(
            "there is no text to train a tokenizer on; funnel.json shows where the documents were dropped",
            rule="no-text",
        )
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    learner.train_from_iterator(itertools.chain([first], parts), trainer)
    return json.loads(learner.to_str())["model"]


def _parts(texts: Iterable[str], settings: TokenizerConfig) -> Iterator[str]:
    """Training texts, split at symbols and at morphemes."""
    cut = re.compile("|".join(map(re.escape, [*user_symbols(settings), MORPHEME_END]))).split
    for text in prepare(texts, settings):
        yield from filter(None, cut(text.replace("\v", "\t")))
