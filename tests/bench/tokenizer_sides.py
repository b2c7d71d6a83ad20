"""One process of ``tests.bench.tokenizer``: encodes with one engine, or trains one tokenizer, and prints one JSON line.

Owns the measurement: processor seconds of the process with all its threads, without imports, reading and loading; memory is
the high-water mark of the process.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 64
WARM_UP = ["안녕 hello = 1\n"]  # triggers loading at first use; not timed
Encode = Callable[[list[str]], Any]


def read(folder: Path, lang: str, kind: str) -> list[str]:
    return json.loads((folder / f"{lang}.{kind}.json").read_text(encoding="utf-8"))


# --- encoding --------------------------------------------------------------------------------------------


def encode(folder: Path, tokenizer: str, engine: str, langs: list[str]) -> dict[str, Any]:
    """MB/s and a hash of the ids by language; each text is encoded once. ``refused``: why the engine cannot read the tokenizer."""
    try:
        run, ids_of = _tiktoken(folder / tokenizer) if engine == "tiktoken" else _ours(folder / tokenizer, engine)  # fmt: skip
    except (ValueError, RuntimeError, TypeError) as error:  # the engine does not support this tokenizer
        return {"refused": str(error)[:200]}
    run(WARM_UP)
    result = {}
    for lang in langs:
        texts = read(folder, lang, "encode")
        batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
        begin = time.process_time()
        results = [run(batch) for batch in batches]
        seconds = time.process_time() - begin
        digest = hashlib.sha256()
        for encoded in results:
            digest.update(ids_of(encoded).astype(np.uint32).tobytes())
        size = sum(len(text.encode("utf-8")) for text in texts)
        result[lang] = {"mb_s": size / 1e6 / seconds, "ids": digest.hexdigest()}
    return result


def _ours(folder: Path, engine: str) -> tuple[Encode, Callable[[Any], np.ndarray]]:
    from preprocessing.tokenizers.encoders import encoder_of

    return encoder_of(folder, engine, 1).encode_batch, lambda result: result[0]


def _tiktoken(folder: Path) -> tuple[Encode, Callable[[Any], np.ndarray]]:
    """tiktoken with the merges of a byte-level folder: its ranks are the bytes and learned pieces, in order."""
    import tiktoken

    from preprocessing.tokenizers.opened import open_tokenizer

    opened = open_tokenizer(folder)
    description = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    excluded = {token["id"] for token in description["added_tokens"]} | opened.special_ids
    ids = [i for i in range(opened.size) if i not in excluded and opened.token_bytes(i) is not None]
    ranks = {opened.tokens.of_id[i]: rank for rank, i in enumerate(ids)}
    pattern = description["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    encoding = tiktoken.Encoding(
        "bench", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}  # type: ignore[arg-type]
    )  # fmt: skip
    numbers = np.array(ids, np.uint32)

    def run(texts: list[str]) -> list[np.ndarray]:
        return [encoding.encode_to_numpy(text) for text in texts]

    return run, lambda rows: numbers[np.concatenate(rows)] if rows else numbers[:0]


# --- training --------------------------------------------------------------------------------------------


def train(folder: Path, which: str, vocab_size: int) -> dict[str, float]:
    """Processor and wall seconds, maximum growth of the memory of the process, and its peak."""
    trainer = {
        "sentencepiece_bpe": _train_bpe, "byte_bpe": _train_byte_bpe,
        "tokenizers_metaspace": _train_metaspace, "tokenizers_byte_level": _train_byte_level,
    }[which]  # fmt: skip
    texts = read(folder, "all", "train")
    run = trainer(vocab_size)
    before, begin, used = _memory("VmRSS"), time.monotonic(), time.process_time()
    run(iter(texts))
    return {
        "cpu_s": round(time.process_time() - used, 2),
        "wall_s": round(time.monotonic() - begin, 2),
        "grew_mib": round((_memory("VmHWM") - before) / 1024, 1),
        "peak_mib": round(_memory("VmHWM") / 1024, 1),
    }


Train = Callable[[Iterator[str]], Any]


def _train_bpe(vocab_size: int) -> Train:
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.tokenizers import trainers

    return lambda texts: trainers.train(texts, TokenizerConfig(type="bpe", vocab_size=vocab_size))


def _train_byte_bpe(vocab_size: int) -> Train:
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.tokenizers import byte_level

    return lambda texts: byte_level.train(texts, TokenizerConfig(type="byte_bpe", vocab_size=vocab_size))


def _train_metaspace(vocab_size: int) -> Train:
    """The trainer of ``tokenizers``, configured as its SentencePiece-like BPE."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)  # type: ignore[call-arg]  # fmt: skip
    return lambda texts: tokenizer.train_from_iterator(texts, trainer)


def _train_byte_level(vocab_size: int) -> Train:
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    from preprocessing.tokenizers.tiktoken_files import PATTERNS

    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PATTERNS["qwen"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)  # type: ignore[call-arg]  # fmt: skip
    return lambda texts: tokenizer.train_from_iterator(texts, trainer)


def _memory(name: str) -> int:
    """KiB from /proc; ``ru_maxrss`` would include the process that started this one."""
    match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1])


def main() -> None:
    part, folder, *rest = sys.argv[1:]
    if part == "encode":
        result = encode(Path(folder), rest[0], rest[1], rest[2:])
    else:
        result = train(Path(folder), rest[0], int(rest[1]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
