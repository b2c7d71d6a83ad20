"""Encoding with Megatron-LM 0.16.1 and with ``preprocessing encode``: the same text, tokenizer and files on two processes.

    python -m tests.bench.encode TEXT.jsonl.zst ... [--megatron CHECKOUT] [--megabytes N] [--vocab-size N] [--repeats N]

Prints one JSON line: MB of text per second by the clock of both (the fastest repeat), ``encode_vs_megatron`` (how many times as fast) and
whether both wrote the same bytes; ``encode_vs_megatron_cpu`` compares the processor's time, ours in one process, which
a busy machine disturbs less. Megatron's side is ``tools/preprocess_data.py`` of the checkout, timed after the imports of
megatron-core; without a checkout it is what that tool does for a document: two worker processes with SentencePiece, and
one process that hands each document to megatron-core's ``IndexedDatasetBuilder``.
Reading is included on both sides: JSON lines there, the Parquet corpus here.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import sentencepiece

from megatron_ko.tokenizer import write_tokenizer_folder
from preprocessing.context import Context, Outcome, Piece
from preprocessing.corpus import placing
from preprocessing.documents import FINAL, new_shard
from preprocessing.markers import Marker
from preprocessing.readers.files_found import Unit
from preprocessing.runners.processes import ProcessRunner
from preprocessing.sections.mixture import BalanceConfig, DomainConfig
from preprocessing.sections.tokens import EncodeConfig
from preprocessing.tokens import encode
from preprocessing.tokens.tokenizer_json import load_sentencepiece, to_tokenizer_json

SPECIAL = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines, plain or .zst, with a field text")
    parser.add_argument("--megatron", type=Path, help="checkout of Megatron-LM 0.16.1")
    parser.add_argument(
        "--megabytes", type=float, default=30.0, help="of text at most, from each file the same part"
    )
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(
            json.dumps(
                measure(
                    given.files, Path(name), given.megabytes, given.vocab_size, given.repeats, given.megatron
                )
            )
        )


def measure(
    files: list[Path],
    folder: Path,
    megabytes: float = 30.0,
    vocab_size: int = 32_000,
    repeats: int = 3,
    megatron: Path | None = None,
) -> dict:
    """The result as a dictionary; ``folder`` is filled."""
    texts = read_texts(files, int(megabytes * 1e6))
    size = sum(len(text.encode("utf-8")) for text in texts)
    write_tokenizer(folder / "out" / "tokenizer", texts, vocab_size)
    (folder / "text.jsonl").write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8"
    )
    ours, alone, theirs = [], [], []
    for _ in range(repeats):  # in turn, so that neither has the quiet half of the machine
        alone.append(encode_ours(folder, texts, 1)[1])
        ours.append(encode_ours(folder, texts, PROCESSES)[0])
        theirs.append(encode_megatron(folder, megatron))
    same = [
        _digest(folder / "out" / "tokens" / f"text_train{kind}") == _digest(folder / f"megatron{kind}")
        for kind in (".bin", ".idx")
    ]
    seconds = {"ours": min(ours), "megatron": min(wall for wall, _ in theirs)}
    cpu = {"ours": min(alone), "megatron": min(cpu for _, cpu in theirs)}
    return {
        "bench": "encode",
        "encode_vs_megatron": round(seconds["megatron"] / seconds["ours"], 2),
        "encode_vs_megatron_cpu": round(cpu["megatron"] / cpu["ours"], 2),
        **{f"{name}_mb_per_s": round(size / 1e6 / spent, 2) for name, spent in seconds.items()},
        **{f"{name}_mb_per_cpu_s": round(size / 1e6 / spent, 2) for name, spent in cpu.items()},
        "identical": all(same),
        "documents": len(texts),
        "megabytes": round(size / 1e6, 2),
        "tokens": (folder / "out" / "tokens" / "text_train.bin").stat().st_size // 2,
        "processes": PROCESSES,
        "engine": json.loads((folder / "out" / "steps" / "encode" / "engine.json").read_text())["summary"][
            "engine"
        ],
        "baseline": "tools/preprocess_data.py" if megatron else "SentencePiece and IndexedDatasetBuilder",
        "repeats": repeats,
    }


def read_texts(files: list[Path], limit: int) -> list[str]:
    """Documents of each file in its order, up to an equal part of ``limit`` bytes."""
    texts = []
    for file in files:
        taken = 0
        with pa.input_stream(str(file), compression="detect") as stream:
            for line in stream_lines(stream):
                record = json.loads(line)
                for field in ("text", "ko", "en"):
                    if text := record.get(field):
                        texts.append(text)
                        taken += len(text.encode("utf-8"))
                if taken >= limit / len(files):
                    break
    return texts


def stream_lines(stream):
    rest = b""
    while block := stream.read(1 << 20):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def write_tokenizer(folder: Path, texts: list[str], vocab_size: int) -> None:
    """SentencePiece BPE as ``train-tokenizer`` trains it, of chunks of the text."""
    model = folder.parent / "bench"
    folder.parent.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text[at : at + 4000] for text in texts for at in range(0, len(text), 4000)),
        model_prefix=str(model), model_type="bpe", vocab_size=vocab_size, character_coverage=0.9999, byte_fallback=True,
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, split_digits=True, max_sentence_length=100_000, hard_vocab_limit=False,
        unk_id=0, bos_id=1, eos_id=2, pad_id=3, minloglevel=2,
    )  # fmt: skip
    content = Path(f"{model}.model").read_bytes()
    write_tokenizer_folder(folder, to_tokenizer_json(load_sentencepiece(content), []), SPECIAL, content)


# --- ours ------------------------------------------------------------------------------------------------


def encode_ours(folder: Path, texts: list[str], processes: int) -> tuple[float, float]:
    """Seconds of the step by the clock and of the processor in this process; engine, parts, joining and manifest are
    all done again."""
    context = bench_context(folder / "out", processes)
    write_corpus(context, texts)
    _remove(folder / "out" / "steps" / "encode")
    begin, used = time.monotonic(), time.process_time()
    with contextlib.closing(context.runner):
        encode.run(context)
    return time.monotonic() - begin, time.process_time() - used


def bench_context(folder: Path, processes: int) -> Context:
    settings = SimpleNamespace(
        output=SimpleNamespace(folder=str(folder)),
        domains={"text": DomainConfig(share=1.0)},
        balance=BalanceConfig(valid_fraction=0.0),
        encode=EncodeConfig(),
        lines=SimpleNamespace(enabled=False),
        seed=0,
    )
    context = Context(SimpleNamespace(config=settings), ProcessRunner(processes))  # type: ignore[arg-type]
    context.units = [Unit("text-00000", "text", (), ())]
    return context


def write_corpus(context: Context, texts: list[str], shards: int = 2 * PROCESSES) -> None:
    """The corpus as ``balance`` leaves it: files of about the same size, and their markers."""
    found = []
    sizes = np.array([len(text.encode("utf-8")) for text in texts])
    bounds = placing.cut(sizes, int(sizes.sum()) // shards + 1)
    for shard in range(int(bounds[-1]) + 1):
        mine = [text for text, place in zip(texts, bounds) if place == shard]
        size = sum(len(text.encode("utf-8")) for text in mine)
        found.append(
            {
                "name": "text",
                "split": "train",
                "file": f"text_train-{shard:05d}",
                "documents": len(mine),
                "bytes": size,
            }
        )
        context.finish(
            "balance",
            [Piece(f"shards/{found[-1]['file']}", _write_shard, (found[-1]["file"], mine), len(texts))],
        )
    Marker(context.folder, "balance").write("bench", [], {"shards": found})


def _write_shard(context: Context, file: str, texts: list[str]) -> Outcome:
    path = context.folder / "clean" / f"{file}.parquet"
    with new_shard(path, FINAL) as out:
        for start in range(0, len(texts), 512):
            part = texts[start : start + 512]
            names = [f"{file}-{start + i}" for i in range(len(part))]
            constant = [
                ["text"] * len(part),
                ["ko"] * len(part),
                ["text"] * len(part),
                ["train"] * len(part),
                ["{}"] * len(part),
            ]
            out.write(
                pa.RecordBatch.from_arrays(
                    [pa.array(v, f.type) for v, f in zip([names, part, *constant], FINAL)], schema=FINAL
                )
            )
    return Outcome([path], {})


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


# --- Megatron --------------------------------------------------------------------------------------------


TIMED = """
import multiprocessing, os, runpy, sys, time
import megatron.core.datasets.indexed_dataset
begin, used = time.monotonic(), sum(os.times()[:4])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
seconds = time.monotonic() - begin
for worker in multiprocessing.active_children():
    worker.terminate()
    worker.join()
print(seconds, sum(os.times()[:4]) - used)
"""


def encode_megatron(folder: Path, checkout: Path | None) -> tuple[float, float]:
    """Seconds from the first document to the end of the index, by the clock and of all its processors."""
    source, model, target = (
        folder / "text.jsonl",
        folder / "out" / "tokenizer" / "tokenizer.model",
        folder / "megatron",
    )
    if checkout is None:
        arguments = [sys.executable, __file__, "--megatron-side", source, model, target]
        return _seconds(arguments, os.environ)
    arguments = [
        sys.executable, checkout / "tools" / "preprocess_data.py", "--input", source, "--output-prefix", target, "--workers", PROCESSES,
        "--tokenizer-type", "SentencePieceTokenizer", "--tokenizer-model", model, "--append-eod", "--log-interval", 10**9,
    ]  # fmt: skip
    arguments = [arguments[0], "-c", TIMED, *arguments[1:]]
    seconds = _seconds(arguments, {**os.environ, "PYTHONPATH": str(checkout)})
    for kind in (".bin", ".idx"):
        Path(f"{target}_text_document{kind}").replace(f"{target}{kind}")
    return seconds


def _seconds(arguments: list, environment) -> tuple[float, float]:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    wall, cpu = map(float, done.stdout.split()[-2:])
    return wall, cpu


def megatron_side(source: str, model: str, target: str) -> None:
    """As ``tools/preprocess_data.py`` of 0.16.1: a pool that is given lines, and a builder that is given documents."""
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    size = sentencepiece.SentencePieceProcessor(model_file=model).get_piece_size()
    begin, used = time.monotonic(), sum(os.times()[:4])
    with open(source, encoding="utf-8") as lines, multiprocessing.Pool(PROCESSES, _load, (model,)) as pool:
        builder = IndexedDatasetBuilder(f"{target}.bin", dtype=DType.optimal_dtype(size))
        for ids in pool.imap(_encode_line, lines, 32):
            builder.add_document(ids, [len(ids)])  # pyright: ignore[reportArgumentType]
        builder.finalize(f"{target}.idx")
        seconds = time.monotonic() - begin
        pool.close()
        pool.join()  # or the processor's time of the workers is not counted
    print(seconds, sum(os.times()[:4]) - used)


_processor = None


def _load(model: str) -> None:
    global _processor
    _processor = sentencepiece.SentencePieceProcessor(model_file=model)


def _encode_line(line: str) -> list[int]:
    assert _processor is not None
    ids = _processor.encode(json.loads(line)["text"])
    ids.append(_processor.eos_id())
    return ids


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--megatron-side"]:
        megatron_side(*sys.argv[2:])
    else:
        main()
