"""Small tokenizers written by hand: a BPE with byte fallback (like SentencePiece) and a byte-level BPE, and extensions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.formats.tokenizer_folder import TokenizerInfo, write_tokenizer_folder

SPECIAL = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,\n"
WORDS = ("an", "he", "in", "\u2581t", "\u2581the", "er", "\u2581a", "\u2581an", "한", "\u2581한")
NEW = ("국", "어", "한국", "\u2581한국", "한국어", "theer", "\u2581국어", "<|sys|>")
"""한 is an old piece; 국 and 어 are three bytes each for the old tokenizer; ``<|sys|>`` is a special token."""


def fallback_json(pieces: Sequence[str], dummy_prefix: bool) -> dict[str, Any]:
    """BPE with byte fallback, spaces as U+2581; every pair of pieces that forms a piece is a merge, in the order of ``pieces``."""
    head = [*SPECIAL.values(), *(f"<0x{byte:02X}>" for byte in range(256)), *LETTERS, "\u2581"]
    normal = [piece for piece in pieces if not piece.startswith("<|")]
    vocab = {piece: i for i, piece in enumerate([*head, *normal])}
    added = [piece for piece in pieces if piece.startswith("<|")]
    merges = [
        [piece[:cut], piece[cut:]]
        for piece in normal
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    steps: list[dict[str, Any]] = [{"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]
    if dummy_prefix:
        steps.insert(0, {"type": "Prepend", "prepend": "\u2581"})
    return {
        "version": "1.0",
        "added_tokens": [_added_token(i, token) for i, token in enumerate(SPECIAL.values())]
        + [_added_token(len(vocab) + i, token) for i, token in enumerate(added)],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocab,
            "merges": merges,
        },
    }


def _added_token(number: int, token: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, "special": True, **flags}


def old_and_new(folder: Path, dummy_prefix: bool = False) -> tuple[TokenizerInfo, TokenizerInfo]:
    """A base tokenizer, and an extension with the pieces NEW."""
    return (
        write_tokenizer_folder(folder / "old", fallback_json(WORDS, dummy_prefix), SPECIAL),
        write_tokenizer_folder(folder / "new", fallback_json((*WORDS, *NEW), dummy_prefix), SPECIAL),
    )


def byte_level_json(merges: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Byte-level BPE (GPT-2's alphabet) that does not split text first; ``<|end|>`` has id 0."""
    from tokenizers.pre_tokenizers import ByteLevel

    vocab = {"<|end|>": 0}
    for letter in sorted(ByteLevel.alphabet()):
        vocab[letter] = len(vocab)
    for left, right in merges:
        vocab[left + right] = len(vocab)
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": [_added_token(0, "<|end|>")],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in merges]},
    }
