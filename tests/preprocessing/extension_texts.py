"""Small bases without Korean and small Korean texts, for the tests of extending tokenizers."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import sentencepiece
import tokenizers

STEMS = [
    "영화",
    "사람",
    "나라",
    "학교",
    "시간",
    "음식",
    "노래",
    "바다",
    "하늘",
    "컴퓨터",
    "재미",
    "사랑",
    "이야기",
    "도서관",
    "고양이",
    "강아지",
    "여행",
    "친구",
    "가족",
    "음악",
]
PARTICLES = [
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "에서",
    "으로",
    "와",
    "과",
    "도",
    "만",
    "까지",
    "부터",
    "의",
    "에게",
    "처럼",
    "보다",
    "이다",
    "입니다",
]
ENGLISH = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "the",
    "dog",
    "ran",
    "to",
    "the",
    "house",
    "while",
    "children",
    "played",
    "in",
    "the",
    "garden",
    "near",
    "the",
    "river",
]
CODE = "def run(self, value):\n    if value is None:\n        return 0\n    for item in value:\n        print(item)\n"


def korean(documents: int, seed: int = 0) -> list[str]:
    """Sentences of stems with particles; rare syllables, letters, with Latin words and digits."""
    chosen = random.Random(seed)
    texts = []
    for number in range(documents):
        words = [chosen.choice(STEMS) + chosen.choice(PARTICLES) for _ in range(30)]
        words[5] = chosen.choice(("ㅋㅋㅋ", "ㅠㅠ", "(웃음)", "GPT-4는", "3월에", "漢字와", "  두칸"))
        texts.append(" ".join(words) + (".\n\n끝" if number % 3 else "\n\t표시"))
    return texts


def english(documents: int, seed: int = 0) -> list[str]:
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(ENGLISH, k=40)) + ".\n" + CODE for _ in range(documents)]


def sentencepiece_base(path: Path, dummy_prefix: bool = False, vocab_size: int = 420) -> Path:
    """A SentencePiece BPE model of English and code, with byte fallback."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(english(200)), model_writer=out, model_type="bpe", vocab_size=vocab_size,
        byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=dummy_prefix,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    path.write_bytes(out.getvalue())
    return path


# one sign before letters joins their word, as in many byte-level tokenizers
SIGN_AND_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level_base(folder: Path, split: str | None = None) -> Path:
    """A byte-level BPE ``tokenizer.json`` of English, code and a few Korean words (partial characters are pieces)."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    letters = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    made.pre_tokenizer = letters
    if split is not None:
        cut = tokenizers.pre_tokenizers.Split(tokenizers.Regex(split), "isolated")
        made.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([cut, letters])
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator([*english(200), "가 각 간 갈 감"], trainer)
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    return folder


def write_jsonl(path: Path, texts: list[str], **fields: str) -> Path:
    rows = [{"id": f"d{number}", "text": text, **fields} for number, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
