"""datatrove's side: the Korean pipeline of FineWeb-2, or its statistics alone.

    python datatrove_side.py clean|statistics SAMPLE.jsonl.zst FOLDER --words blanks|kiwi

``clean`` follows FineWeb-2 (configs/kor_Hang.yml): Gopher repetition, FineWeb quality, Gopher quality, masked addresses,
Parquet, MinHash signatures of 14 x 8 with xxhash-64. Later steps skip a document that a filter drops. ``statistics`` runs
the same three filters with thresholds that no document reaches, so that every statistic is computed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from protocol import answer, size_of, texts_of, time_work

STOP_WORDS = "의 다 이 는 에 을 한 년 하 은 를 했 고 에서 가 있 으로 인 월 로 되".split()  # noqa: SIM905
REPETITION: dict[str, Any] = {
    "dup_line_frac": 0.374, "dup_para_frac": 0, "dup_line_char_frac": 0, "dup_para_char_frac": 0,
    "top_n_grams": ((2, 0.282), (3, 0.228), (4, 0.185)),
    "dup_n_grams": ((5, 0.201), (6, 0.184), (7, 0.168), (8, 0.154), (9, 0.14), (10, 0.127)),
}  # fmt: skip
QUALITY: dict[str, Any] = {
    "min_doc_words": 50, "min_avg_word_length": 1, "max_avg_word_length": 6,
    "max_non_alpha_words_ratio": 0.791, "stop_words": STOP_WORDS,
}  # fmt: skip
FINEWEB: dict[str, Any] = {
    "line_punct_thr": 0.062, "short_line_thr": 999, "char_duplicates_ratio": 0.1, "new_line_ratio": 0.196,
}  # fmt: skip
_FAR = 1e9
COMPUTED: tuple[dict[str, Any], ...] = (  # thresholds that no document reaches, so that no rule ends the work early
    {
        "dup_line_frac": _FAR, "dup_para_frac": _FAR, "dup_line_char_frac": _FAR, "dup_para_char_frac": _FAR,
        "top_n_grams": tuple((n, _FAR) for n in (2, 3, 4)), "dup_n_grams": tuple((n, _FAR) for n in range(5, 11)),
    },
    {
        "min_doc_words": 0, "max_doc_words": _FAR, "min_avg_word_length": -1, "max_avg_word_length": _FAR,
        "max_symbol_word_ratio": _FAR, "max_bullet_lines_ratio": _FAR, "max_ellipsis_lines_ratio": _FAR,
        "max_non_alpha_words_ratio": -1, "stop_words": STOP_WORDS,
    },
    {"line_punct_thr": -1, "short_line_thr": _FAR, "char_duplicates_ratio": _FAR, "new_line_ratio": _FAR},
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("clean", "statistics"))
    parser.add_argument("sample")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", choices=("blanks", "kiwi"), default="blanks")
    options = parser.parse_args()
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    words = tokenizer(options.words)
    words.word_tokenize("낱말을 나누는 모형을 먼저 읽는다.")
    part = {"clean": clean, "statistics": statistics}[options.part]
    answer(size_of(texts_of(options.sample)), part(options.sample, options.folder, words))


def tokenizer(name: str) -> Any:
    """The word tokenizer that every step gets as its language."""
    from datatrove.utils.word_tokenizers import WordTokenizer, load_word_tokenizer

    class BlankTokenizer(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return text.split("\n")

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            raise NotImplementedError

    return load_word_tokenizer("kor_Hang" if name == "kiwi" else BlankTokenizer())


def filters(words: Any, repetition: dict, quality: dict, fineweb: dict) -> list[Any]:
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    return [
        GopherRepetitionFilter(**repetition, language=words),
        FineWebQualityFilter(**fineweb, language=words),
        GopherQualityFilter(**quality, language=words),
    ]


def clean(sample: str, folder: Path, words: Any) -> dict[str, Any]:
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig

    path = Path(sample)
    hashes = MinhashConfig(
        hash_config=HashConfig(precision=64, hash_fc="xxhash"), num_buckets=14, hashes_per_bucket=8
    )
    steps = [
        JsonlReader(str(path.parent), glob_pattern=path.name, compression="zstd"),
        *filters(words, REPETITION, QUALITY, FINEWEB),
        PIIFormatter(),
        ParquetWriter(str(folder / "kept"), compression="zstd"),
        MinhashDedupSignature(str(folder / "signatures"), config=hashes, language=words),
    ]
    facts = time_work(lambda: run(steps))
    read, kept = steps[0].stats, steps[4].stats
    return {**facts, "documents": int(read["documents"].total), "kept": int(kept["total"].total)}


def run(steps: list[Any]) -> None:
    """Chains the steps like datatrove's executors."""
    data: Any = None
    for step in steps:
        data = step(data, 0, 1)
    for _ in data or ():
        pass


def statistics(sample: str, folder: Path, words: Any) -> dict[str, Any]:
    from datatrove.data import Document

    all_filters = filters(words, *COMPUTED)
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts_of(sample))]

    def judge() -> None:
        for document in documents:
            for one in all_filters:
                one.filter(document)

    return {**time_work(judge), "documents": len(documents)}


if __name__ == "__main__":
    main()
