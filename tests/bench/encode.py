"""Encoding with Megatron-LM 0.16.1 and with ``mko data tokens encode``: the same JSON lines, tokenizer and files.

    python -m tests.bench.encode TEXT.jsonl.zst ... [--megatron CHECKOUT] [--megabytes N] [--vocab-size N] [--repeats N]

Both read one file of JSON lines with the field ``text`` alone, use two worker processes, and end when ``.bin`` and ``.idx``
are closed. Ours loads the engine and compares it with the reference, then encodes, syncs and joins parts. Megatron's is
``tools/preprocess_data.py`` of the checkout with ``--tokenizer-type SentencePieceTokenizer --append-eod``; without a checkout,
the same work per document: two workers with SentencePiece, and one process that passes each document to megatron-core's
``IndexedDatasetBuilder``. The clock runs from the end of the imports (for ours also those of the fork server) to the end,
including forks and loading of the tokenizer; ``with_start`` is the whole life of the program, including imports.

Prints one JSON line. Each repeat runs both, one after the other, and yields one ratio; the medians are printed:
``encode_vs_megatron`` by wall time, ``..._with_start``, ``..._cpu`` by processor time of all processes. The more text, the
less the start counts. ``load``: load of the machine before each repeat; well above the number of processes of one side,
wall times mean little.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path

import pyarrow as pa
import sentencepiece

from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder
from preprocessing.running.processes import PRELOADED
from preprocessing.steps.kernel_groups import compile_for
from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json
from preprocessing.tokens.encode_files import encode_files, parts_to_encode

SPECIAL = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines, plain or .zst, with a field text")
    parser.add_argument("--megatron", type=Path, help="checkout of Megatron-LM 0.16.1")
    parser.add_argument("--megabytes", type=float, default=100.0, help="maximum MB of text from each file")
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(
            options.files,
            Path(name),
            options.megabytes,
            options.vocab_size,
            options.repeats,
            options.megatron,
        )
        print(json.dumps(result))


def measure(
    files: list[Path],
    folder: Path,
    megabytes: float = 100.0,
    vocab_size: int = 32_000,
    repeats: int = 5,
    megatron: Path | None = None,
) -> dict:
    """Runs all repeats with files in ``folder`` and returns the result."""
    texts = read_texts(files, int(megabytes * 1e6))
    size = sum(len(text.encode("utf-8")) for text in texts)
    write_tokenizer(folder / "tokenizer", texts, vocab_size)
    (folder / "text.jsonl").write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8"
    )
    ours, theirs, load = [], [], []
    for _ in range(repeats):
        load.append(round(os.getloadavg()[0], 1))
        ours.append(encode_ours(folder))
        theirs.append(encode_megatron(folder, megatron))
    same = [
        _digest(folder / "ours" / f"text{suffix}") == _digest(folder / f"megatron{suffix}")
        for suffix in (".bin", ".idx")
    ]
    return {
        "bench": "encode",
        "encode_vs_megatron": _ratio(theirs, ours, "wall"),
        "encode_vs_megatron_with_start": _ratio(theirs, ours, "with_start"),
        "encode_vs_megatron_cpu": _ratio(theirs, ours, "cpu"),
        "ours_mb_per_s": {name: _speed(size, ours, name) for name in ("wall", "with_start", "cpu")},
        "megatron_mb_per_s": {name: _speed(size, theirs, name) for name in ("wall", "with_start", "cpu")},
        "identical": all(same),
        "documents": len(texts),
        "megabytes": round(size / 1e6, 2),
        "tokens": (folder / "ours" / "text.bin").stat().st_size // 2,
        "processes": PROCESSES,
        "engine": ours[-1]["engine"],
        "baseline": "tools/preprocess_data.py" if megatron else "SentencePiece and IndexedDatasetBuilder",
        "repeats": repeats,
        "load": load,
    }


def _ratio(theirs: list[dict], ours: list[dict], name: str) -> float:
    return round(statistics.median(t[name] / o[name] for t, o in zip(theirs, ours)), 2)


def _speed(size: int, runs: list[dict], name: str) -> float:
    return round(size / 1e6 / statistics.median(run[name] for run in runs), 2)


def read_texts(files: list[Path], limit: int) -> list[str]:
    """Documents of each file in order, up to ``limit`` bytes per file."""
    texts = []
    for file in files:
        size = 0
        with pa.input_stream(str(file), compression="detect") as stream:
            for line in stream_lines(stream):
                record = json.loads(line)
                for field in ("text", "ko", "en"):
                    if text := record.get(field):
                        texts.append(text)
                        size += len(text.encode("utf-8"))
                if size >= limit:
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
    """Trains SentencePiece BPE with the options of ``train-tokenizer`` on chunks of the text."""
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
    write_tokenizer_folder(folder, to_tokenizer_json(read_model(content, model)), SPECIAL, content)


# --- ours ------------------------------------------------------------------------------------------------


def encode_ours(folder: Path) -> dict:
    shutil.rmtree(folder / "ours", ignore_errors=True)
    return _run([sys.executable, "-c", OURS, folder], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


OURS = "import pathlib, sys; from tests.bench.encode import our_side; our_side(pathlib.Path(sys.argv[1]))"


def our_side(folder: Path) -> None:
    server = start_server()
    begin, used = time.monotonic(), time.process_time() + cpu_of(server)
    parts = parts_to_encode([str(folder / "text.jsonl")])
    facts = encode_files(
        parts, folder / "tokenizer", folder / "ours" / "text", "text", "auto", True, PROCESSES
    )
    wall = time.monotonic() - begin
    cpu = time.process_time() + cpu_of(server) - used
    print(json.dumps({"wall": wall, "cpu": cpu, "engine": ", ".join(facts["engines"])}))


def start_server() -> int:
    """Starts the process from which workers are forked, with its imports done and its kernels loaded; returns its id."""
    compile_for(["tokens-encode"])
    method = multiprocessing.get_context("forkserver")
    method.set_forkserver_preload([*PRELOADED, __name__])
    first = method.Process(target=os.getpid)
    first.start()
    first.join()
    return forkserver._forkserver._forkserver_pid  # pyright: ignore[reportAttributeAccessIssue]


def cpu_of(process: int) -> float:
    """Processor seconds of a process and of its finished children."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


# --- Megatron --------------------------------------------------------------------------------------------


TIMED = """
import json, os, runpy, sys, time
import megatron.core.datasets.indexed_dataset, megatron.core.tokenizers, megatron.training.arguments, megatron.training.tokenizer
from megatron.core.tokenizers.text.utils.build_tokenizer import build_tokenizer
begin, used = time.monotonic(), sum(os.times()[:4])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(json.dumps({"wall": time.monotonic() - begin, "cpu": sum(os.times()[:4]) - used}))
"""


def encode_megatron(folder: Path, checkout: Path | None) -> dict:
    """Wall and processor seconds of reading, encoding and writing the index."""
    source, model, target = (
        folder / "text.jsonl",
        folder / "tokenizer" / "tokenizer.model",
        folder / "megatron",
    )
    if checkout is None:
        return _run([sys.executable, __file__, "--megatron-side", source, model, target], os.environ)
    arguments = [
        sys.executable, "-c", TIMED, checkout / "tools" / "preprocess_data.py", "--input", source, "--output-prefix", target, "--workers", PROCESSES,
        "--tokenizer-type", "SentencePieceTokenizer", "--tokenizer-model", model, "--append-eod", "--log-interval", 10**9,
    ]  # fmt: skip
    seconds = _run(arguments, {**os.environ, "PYTHONPATH": str(checkout)})
    for suffix in (".bin", ".idx"):
        Path(f"{target}_text_document{suffix}").replace(f"{target}{suffix}")
    return seconds


def _run(arguments: list, environment) -> dict:
    """The JSON in the last line that the program prints, and its run time as ``with_start``."""
    begin = time.monotonic()
    process = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, env=environment)
    if process.returncode:
        raise SystemExit(process.stderr[-3000:])
    return {**json.loads(process.stdout.splitlines()[-1]), "with_start": time.monotonic() - begin}


def megatron_side(source: str, model: str, target: str) -> None:
    """Same as ``tools/preprocess_data.py`` of 0.16.1: a pool encodes lines, and a builder writes documents."""
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
        pool.join()  # otherwise the processor time of the workers is not counted
    print(json.dumps({"wall": seconds, "cpu": sum(os.times()[:4]) - used}))


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
