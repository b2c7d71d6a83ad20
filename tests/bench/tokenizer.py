"""Tokenizers against their peers: encoding by engine, training, and the selection of ``mko tokenizer extend``.

    python -m tests.bench.tokenizer --data FOLDER [--parts encode train extend] [--megabytes N] [--gigabytes N] [--rounds N]

``FOLDER`` contains JSON lines with ``text`` and ``lang`` (ko, en); code is the standard library of the running Python
unless the folder contains some. Every measurement is its own process; peers run one after another in each round, and the
result is the median over rounds. Prints one JSON line.

encode: one thread, a cold single pass: each text once, processor time without loading. Keys:
``encode_vs_sentencepiece_ko`` (``_en``, ``_code``): the engine that ``auto`` chooses against SentencePiece, the same
model and text; ``encode_vs_tokenizers_*``: against ``tokenizers``; ``byte_level_vs_tiktoken_*``: a byte-level tokenizer
against tiktoken with the same merges. ``encode_mb_s`` contains every engine, ``encode_exact`` whether its ids equal those
of the reference on the whole text.

train: ``train_*_vs_tokenizers``: processor time of the trainer of ``tokenizers`` divided by ours (SentencePiece BPE;
byte-level BPE); ``train_*_memory_vs_tokenizers``: the same for the growth of the process.

extend: one run of ``mko tokenizer extend`` from English and code on a Korean corpus of ``--gigabytes`` that is built from
the Korean text: its lines in random order, one word in twenty composed of the halves of two, so that new words keep
occurring.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LANGS = ("ko", "en", "code")
PARTS = ("encode", "train", "extend")
ENGINES = ("sentencepiece", "tokenizers", "bpe", "fastokens", "gigatoken")
BYTE_ENGINES = ("tokenizers", "tiktoken", "bpe", "fastokens", "gigatoken")
TRAINERS = ("sentencepiece_bpe", "tokenizers_metaspace", "byte_bpe", "tokenizers_byte_level")
TRAINING_SHARE = 3
"""Every third document trains the tokenizers, which encode the others."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--megabytes", type=float, default=30.0, help="MB of text, a third in each language")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="GB of the corpus of extend")
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="processes of extend")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(options, Path(name))))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    sizes = write_texts(options.data, folder, int(options.megabytes * 1e6))
    result: dict[str, Any] = {
        "bench": "tokenizer",
        "megabytes": {k: round(v / 1e6, 2) for k, v in sizes.items()},
        "vocab_size": options.vocab_size,
        "rounds": options.rounds,
        "load": [round(os.getloadavg()[0], 1)],
    }
    if "encode" in options.parts:
        result |= measure_encoding(folder, options.vocab_size, options.rounds)
    if "train" in options.parts:
        result |= measure_training(folder, options.vocab_size, options.rounds)
    if "extend" in options.parts:
        result |= measure_extension(folder, options.gigabytes, options.vocab_size, options.workers)
    result["load"].append(round(os.getloadavg()[0], 1))
    return result


# --- text ------------------------------------------------------------------------------------------------


def write_texts(data: Path, folder: Path, size: int) -> dict[str, int]:
    """Writes ``LANG.encode.json``, ``LANG.train.json`` and ``all.train.json``; returns the bytes to encode by language."""
    sizes, training = {}, []
    for lang in LANGS:
        to_encode, to_train = [], []
        total = 0
        for number, text in enumerate(texts_of(data, lang)):
            (to_train if number % TRAINING_SHARE == 0 else to_encode).append(text)
            total += len(text.encode("utf-8"))
            if total >= size / len(LANGS):
                break
        for part, texts in (("encode", to_encode), ("train", to_train)):
            write(folder / f"{lang}.{part}.json", texts)
        sizes[lang] = sum(len(text.encode("utf-8")) for text in to_encode)
        training += to_train
        if not sizes[lang]:
            raise SystemExit(f"{data}: no text in {lang}; add JSON lines with text and lang")
    write(folder / "all.train.json", training)
    return sizes


def write(path: Path, texts: list[str]) -> None:
    path.write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


def texts_of(data: Path, lang: str) -> Iterator[str]:
    """Documents in this language from all files, in turn."""
    from preprocessing.tokenizers.text_files import batches_of, parts_of

    def documents(path: Path) -> Iterator[str]:
        for part in parts_of([str(path)]):
            for batch in batches_of(part):
                rows = zip(batch["text"].to_pylist(), batch["lang"].to_pylist())
                yield from (text for text, text_lang in rows if text_lang == lang)

    files = sorted(
        path for path in data.glob("*.jsonl*") if f"{lang}_" in path.name and "pairs" not in path.name
    )
    sources: list[Any] = []
    sources += [documents(path) for path in files]
    if lang == "code" and not sources:
        library = sorted(
            path for path in Path(os.__file__).parent.rglob("*.py") if "site-packages" not in path.parts
        )
        sources = [(path.read_text(encoding="utf-8", errors="ignore") for path in library)]
    while sources:
        for source in list(sources):
            if (text := next(source, None)) is None:
                sources.remove(source)
            elif text:
                yield text


# --- encoding --------------------------------------------------------------------------------------------


def measure_encoding(folder: Path, vocab_size: int, rounds: int) -> dict[str, Any]:
    write_tokenizers(folder, vocab_size)
    result: dict[str, Any] = {"encode_mb_s": {}, "encode_exact": {}, "encode_engine": {}}
    for kind, engines in (("sentencepiece", ENGINES), ("byte_level", BYTE_ENGINES)):
        runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
        for number in range(rounds):
            for engine in engines[number % len(engines) :] + engines[: number % len(engines)]:
                if not runs[engine] or "refused" not in runs[engine][0]:
                    runs[engine].append(side("encode", folder, kind, engine, *LANGS))
        reference, chosen = engines[0], _auto(folder, kind)
        works = {e: r for e, r in runs.items() if "refused" not in r[0]}
        result["encode_engine"][kind] = chosen
        result["encode_mb_s"][kind] = {
            engine: {lang: round(statistics.median(run[lang]["mb_s"] for run in r), 2) for lang in LANGS}
            for engine, r in works.items()
        } | {engine: r[0]["refused"] for engine, r in runs.items() if engine not in works}
        result["encode_exact"][kind] = {
            engine: all(run[lang]["ids"] == works[reference][0][lang]["ids"] for run in r for lang in LANGS)
            for engine, r in works.items()
        }
        peers = {
            "sentencepiece": {
                "encode_vs_sentencepiece": "sentencepiece",
                "encode_vs_tokenizers": "tokenizers",
            }
        }
        for key, peer in peers.get(kind, {"byte_level_vs_tiktoken": "tiktoken", "byte_level_vs_tokenizers": "tokenizers"}).items():  # fmt: skip
            for lang in LANGS:
                pairs = zip(works[chosen], works[peer])
                ratio = statistics.median(ours[lang]["mb_s"] / theirs[lang]["mb_s"] for ours, theirs in pairs)
                result[f"{key}_{lang}"] = round(ratio, 2)
    return result


def write_tokenizers(folder: Path, vocab_size: int) -> None:
    """Writes the tokenizer folders ``sentencepiece`` and ``byte_level``, trained like ``train-tokenizer`` on the training text."""
    from megatron_ko.formats.sentencepiece_model import read_model
    from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.tokenizers import byte_level, trainers
    from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json

    texts = json.loads((folder / "all.train.json").read_text(encoding="utf-8"))
    settings = TokenizerConfig(type="bpe", vocab_size=vocab_size)
    model = trainers.train(iter(texts), settings)
    description = to_tokenizer_json(read_model(model, "the trained model"))
    write_tokenizer_folder(folder / "sentencepiece", description, trainers.SPECIAL_TOKENS, model)
    description = byte_level.train(iter(texts), TokenizerConfig(type="byte_bpe", vocab_size=vocab_size))
    write_tokenizer_folder(folder / "byte_level", description, byte_level.SPECIAL_TOKENS)


def _auto(folder: Path, kind: str) -> str:
    from preprocessing.tokenizers.encoders import choose

    return choose(folder / kind, "auto", [text for lang in LANGS for text in _some(folder, lang)])


def _some(folder: Path, lang: str) -> list[str]:
    return json.loads((folder / f"{lang}.encode.json").read_text(encoding="utf-8"))[:20]


def side(*arguments: object) -> dict[str, Any]:
    """Runs a process of ``tests.bench.tokenizer_sides`` with one thread; returns the JSON that it prints."""
    threads = ("RAYON_NUM_THREADS", "FASTOKENS_BPE_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(threads, "1"), "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.run(
        [sys.executable, "-m", "tests.bench.tokenizer_sides", *map(str, arguments)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}:\n{process.stderr[-3000:]}")
    return json.loads(process.stdout.splitlines()[-1])


# --- training --------------------------------------------------------------------------------------------


def measure_training(folder: Path, vocab_size: int, rounds: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in TRAINERS}
    for _ in range(rounds):
        for name in TRAINERS:
            runs[name].append(side("train", folder, name, vocab_size))
    medians = {
        name: {key: round(statistics.median(run[key] for run in rows), 2) for key in rows[0]}
        for name, rows in runs.items()
    }
    result: dict[str, Any] = {
        "train": medians,
        "train_megabytes": round(
            sum(len(t.encode("utf-8")) for t in json.loads((folder / "all.train.json").read_text(encoding="utf-8"))) / 1e6, 2
        ),
    }  # fmt: skip
    for key, ours, theirs in (
        ("bpe", "sentencepiece_bpe", "tokenizers_metaspace"), ("byte_bpe", "byte_bpe", "tokenizers_byte_level"),
    ):  # fmt: skip
        pairs = list(zip(runs[theirs], runs[ours]))
        result[f"train_{key}_vs_tokenizers"] = round(
            statistics.median(t["cpu_s"] / o["cpu_s"] for t, o in pairs), 2
        )
        result[f"train_{key}_memory_vs_tokenizers"] = round(
            statistics.median(t["grew_mib"] / o["grew_mib"] for t, o in pairs), 2
        )
    return result


# --- the selection ---------------------------------------------------------------------------------------


def measure_extension(folder: Path, gigabytes: float, vocab_size: int, workers: int) -> dict[str, Any]:
    """Wall and processor seconds, memory of all processes together, rounds of the selection."""
    from tests.bench.footprint import watch

    base = write_base(folder, vocab_size)
    corpus = folder / "corpus"
    written = write_korean(corpus, json.loads((folder / "ko.encode.json").read_text(encoding="utf-8")), int(gigabytes * 1e9))  # fmt: skip
    out = folder / "extended"
    command = [
        sys.executable,
        "-m",
        "preprocessing",
        "tokenizer",
        "extend",
        str(base),
        "--text",
        str(corpus),
    ]
    begin = time.monotonic()
    spent = watch([*command, "--out", str(out), "--workers", str(workers)])
    seconds = time.monotonic() - begin
    summary = json.loads((out / "extension.json").read_text(encoding="utf-8"))
    return {
        "extend_gb": round(written / 1e9, 3),
        "extend_s": round(seconds, 1),
        "extend_mb_s": round(written / 1e6 / seconds, 2),
        "extend_cpu_s": spent["cpu_s"],
        "extend_mb_per_cpu_s": round(written / 1e6 / spent["cpu_s"], 2),
        "extend_peak_rss_gib": spent["peak_rss_gib"],
        "extend_rounds": len(summary["rounds"]),
        "extend_new_tokens": summary["new_tokens"],
        "extend_different_words": summary["text"]["different_words"],
        "extend_workers": workers,
    }


def write_base(folder: Path, vocab_size: int) -> Path:
    """Trains and writes a tokenizer of English and code."""
    from megatron_ko.formats.sentencepiece_model import read_model
    from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.tokenizers import trainers
    from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json

    texts = [text for lang in ("en", "code") for text in json.loads((folder / f"{lang}.train.json").read_text(encoding="utf-8"))]  # fmt: skip
    settings = TokenizerConfig(type="bpe", vocab_size=vocab_size // 2)
    model = trainers.train(iter(texts), settings)
    description = to_tokenizer_json(read_model(model, "the trained model"))
    write_tokenizer_folder(folder / "base", description, trainers.SPECIAL_TOKENS, model)
    return folder / "base"


def write_korean(folder: Path, texts: list[str], size: int, seed: int = 1) -> int:
    """Writes JSON lines with at least ``size`` bytes of text, in files of 128 MiB; returns the bytes of the text."""
    folder.mkdir()
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    words = [word for line in lines for word in line.split() if len(word) > 2]
    rng = np.random.Generator(np.random.PCG64(seed))
    written = number = 0
    while written < size:
        stop = min(size, written + (128 << 20))
        with open(folder / f"korean-{number:04d}.jsonl", "w", encoding="utf-8") as file:
            while written < stop:
                text = _vary("\n".join(lines[i] for i in rng.integers(len(lines), size=200)), words, rng)
                written += len(text.encode("utf-8"))
                file.write(json.dumps({"text": text, "lang": "ko"}, ensure_ascii=False) + "\n")
        number += 1
    return written


def _vary(text: str, words: list[str], rng: np.random.Generator) -> str:
    """Replaces one word in twenty by the first half of a word and the second half of another."""
    parts = text.split(" ")
    count = len(parts) // 20
    pairs = rng.integers(len(words), size=(count, 2)).tolist()
    for place, (one, other) in zip(rng.integers(len(parts), size=count).tolist(), pairs):
        first, second = words[one], words[other]
        parts[place] = first[: len(first) // 2] + second[len(second) // 2 :]
    return " ".join(parts)


if __name__ == "__main__":
    main()
