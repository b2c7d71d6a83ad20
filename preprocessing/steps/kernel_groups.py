"""Which kernels each step or command needs, and calls that compile them.

A call passes arguments of the types that the step passes; ``tests/preprocessing/test_compilation.py`` compares them with a
whole run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from preprocessing.documents import DOCUMENT, utf8_buffer
from preprocessing.running.compilation import Group, compile_groups

_LISTED = (
    "두루미는 겨울에 철원 들판으로 날아오고 봄이 되면 다시 먼 북쪽으로 돌아가는 새로 해마다 그렇게 합니다.\n\n"
    + "mov eax, 5\nadd eax, 1\nret 0x1\n" * 30
)
_ROWS = [
    {"id": "1", "text": "두루미는 겨울에 철원 들판으로 날아온다ㅋㅋㅋㅋ.\u200b 카톡 hong@example.com", "source": "a", "lang": "ko", "meta": "{}"},
    {"id": "2", "text": "def f(x):\n    return x  # the same\n", "source": "a", "lang": "code", "meta": "{}"},
    {"id": "3", "text": "The crane lands on the frozen rice field.", "source": "a", "lang": "", "meta": "{}"},
    {"id": "4", "text": _LISTED, "source": "a", "lang": "ko", "meta": "{}"},
    {"id": "5", "text": _LISTED, "source": "a", "lang": "", "meta": "{}"},
]  # fmt: skip


def batch() -> pa.RecordBatch:
    """Korean, code, English, and Korean with a listing; the languages of two are to be detected."""
    return pa.RecordBatch.from_pylist(_ROWS, schema=DOCUMENT)


def json_lines() -> None:
    from preprocessing.config.inputs import JsonlInput
    from preprocessing.readers.fields import Fields
    from preprocessing.readers.json_columns import JsonColumns

    lines = JsonlInput(type="jsonl", paths=["a"], lang="ko")
    JsonColumns(lines, Fields(lines, "a", "a", 0, 100), 100).read(b'{"text": "a"}\n', 1)


def clean() -> None:
    from preprocessing.config.cleaning import CleanConfig
    from preprocessing.steps.clean import clean_batch

    json_lines()
    clean_batch(batch(), CleanConfig())


def lines() -> None:
    from preprocessing.config.deduplication import LinesConfig
    from preprocessing.duplicates.frequent_lines import Frequent, runs_of
    from preprocessing.steps.lines import remove_boilerplate

    texts = pa.array(["가 나\n다 라\n가 나\n다 라\n마 바 사"] * 2, pa.large_string())
    names = {name: pa.array(["a"] * 2) for name in ("id", "source", "lang", "meta")}
    documents = pa.RecordBatch.from_pydict({**names, "text": texts}).select(DOCUMENT.names)
    (run,) = runs_of(iter([documents]), "source", 1)
    keepers = np.full((len(run.patterns), 2), 7, np.uint32)
    remove_boilerplate(documents, Frequent(run.patterns, keepers), (0, 0), LinesConfig(enabled=True))


def measure() -> None:
    from preprocessing.config.deduplication import DeduplicateConfig
    from preprocessing.duplicates.signatures import sign
    from preprocessing.steps.measure import measure_batch

    measure_batch(batch())
    sign(batch()["text"], DeduplicateConfig(), 0)


def deduplicate() -> None:
    from preprocessing.kernels.buckets import bucket_pairs, passes, stars
    from preprocessing.kernels.minhash import agreements, jaccards
    from preprocessing.kernels.shingles import sequence_sets

    pairs = bucket_pairs(np.zeros(2, np.uint64), np.arange(2, dtype=np.uint32), 16)
    left, right = np.array([1]), np.array([0])
    agreements(np.zeros((2, 4), np.uint32), left, right)
    passes(left, right, np.ones(2, np.int64), 1)
    flat, starts = sequence_sets(*utf8_buffer(batch()["text"]))
    jaccards(flat, starts, left, right)
    stars(pairs, np.ones(1, np.float32), np.arange(2, dtype=np.uint32), np.zeros(2, np.float32))


def decontaminate() -> None:
    from preprocessing.config.scoring import DecontaminateConfig, EvaluationSet
    from preprocessing.scoring.evaluation_sets import build
    from preprocessing.steps.decontaminate import kernels, matched_text

    text = "두루미는 겨울에 철원 들판으로 날아온다 그리고 봄에 북쪽으로 돌아간다 해마다 그렇게 한다 정말로"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.txt"
        path.write_text(text, encoding="utf-8")
        config = DecontaminateConfig(sets={"a": EvaluationSet(paths=[str(path)], format="txt")})
        index = build(config)
    column = pa.array([text], pa.large_string())
    kernels.find_ngrams(*utf8_buffer(column), config.min_words, *index.tables)
    matched_text(text, np.ones(3, bool))


def score() -> None:
    from preprocessing.scoring import perplexity

    column = pa.array(["두루미는 겨울에 온다", "두루미는 겨울에 간다"], pa.large_string())
    perplexity.train(*perplexity.prepare(column), 1000).perplexities(column)


def encode() -> None:
    from megatron_ko.formats.sentencepiece_model import SentencePieceModel
    from megatron_ko.formats.vocabulary import BYTE, Piece, Spelling, Vocabulary
    from preprocessing.tokenizers import bpe_tables
    from preprocessing.tokenizers.bpe_encoder import BpeEncoder

    pieces = [Piece(f"<0x{byte:02X}>", kind=BYTE) for byte in range(256)]
    pieces += map(Piece, ("\u2581", "a", "b", "ab"))
    model = SentencePieceModel(
        content=b"",
        vocabulary=Vocabulary("bpe", pieces, Spelling()),
        byte_fallback=True,
        dummy_prefix=False,
        removes_blanks=False,
        escapes_blanks=True,
        blanks_behind=False,
        charsmap=b"",
    )
    BpeEncoder.from_tables(bpe_tables.tables_of(model)).encode_column(batch()["text"])


def encode_json_lines() -> None:
    json_lines()
    encode()


def extend() -> None:
    from preprocessing.kernels import word_counts
    from preprocessing.tokenizers.counting import WordTable
    from preprocessing.tokenizers.cutting import cut_of
    from preprocessing.tokenizers.token_counts import TokenCounter

    pieces = [*(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "가", "나", "가나"]
    model = {"type": "BPE", "vocab": {piece: n for n, piece in enumerate(pieces)}, "merges": [["가", "나"]]}
    description = {"model": model, "added_tokens": [], "normalizer": None, "pre_tokenizer": None}
    table = WordTable(cut_of(description))
    table.add(batch()["text"])
    word_counts.grow_table(np.zeros((2, 4), np.uint64))
    words = table.take()
    word_counts.keys_of_words(*utf8_buffer(words["word"]))
    word_counts.count_syllables(*utf8_buffer(words["word"]), words["count"].to_numpy())
    counter = TokenCounter(description)
    counter.count(words["word"], words["count"].to_numpy(), np.zeros(counter.size, np.int64))


CLEAN = Group(
    "clean",
    ("feeds", "json_objects", "utf8", "languages", "listings", "normalize", "suspects", "hidden_characters"),
    clean,
)
MEASURE = Group(
    "measure",
    ("structure", "prose", "text_counts", "languages", "listings", "source_code", "minhash", "canonical"),
    measure,
)
ENCODE = Group("encode", ("bpe", "bpe_build"), encode)
TOKENS_ENCODE = Group("tokens-encode", ("feeds", "json_objects", "bpe", "bpe_build"), encode_json_lines)
GROUPS = {
    "clean": CLEAN,
    "lines": Group("lines", ("lines",), lines),
    "measure": MEASURE,
    "score": Group("score", ("language_model",), score),
    "decontaminate": Group("decontaminate", ("ngrams",), decontaminate),
    "deduplicate": Group("deduplicate", ("buckets", "minhash"), deduplicate),
    "train-tokenizer": ENCODE,
    "encode": ENCODE,
    "tokens-encode": TOKENS_ENCODE,
    "extend": Group("extend", ("word_counts", "word_tokens"), extend),
}
"""By step, or by the commands ``tokens encode`` and ``tokenizer extend``; the others need none."""


def compile_for(names: Iterable[str]) -> None:
    """Compiles what the steps or commands need and the cache does not contain."""
    compile_groups(list(dict.fromkeys(GROUPS[name] for name in names if name in GROUPS)))
