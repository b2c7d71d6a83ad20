"""Encodes text files to one pair of token files without a pipeline, like Megatron-LM's ``preprocess_data.py``.

Owns the parts, each encoded by one process, and their joining: for any number of processes the pair has the same bytes as
when all documents are encoded at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.files import scratch_folder
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, read_tokenizer_folder
from preprocessing.running.processes import PRELOADED
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.text_files import TextPart, parts_of, texts_of
from preprocessing.tokens.encode_columns import encode_and_check
from preprocessing.tokens.token_files import Extent, copy_documents

PART_BYTES = 16 << 20
MAX_PARTS = 4096  # each is a mapped file while parts are joined


def parts_to_encode(paths: Sequence[str]) -> list[TextPart]:
    """Parts of PART_BYTES, or larger ones if there would be more than MAX_PARTS."""
    parts = parts_of(paths, PART_BYTES)
    factor = -(-len(parts) // MAX_PARTS)
    return parts if factor <= 1 else parts_of(paths, PART_BYTES * factor)


def encode_files(
    parts: Sequence[TextPart], tokenizer: Path, target: Path, field: str, engine: str, eod: bool, workers: int
) -> dict[str, Any]:
    """Writes the documents of all parts, in order, to ``target``.bin and .idx.

    Returns the facts of ``copy_documents`` plus the engines, the bytes of text and the number of empty documents.
    ``field``: field of a record that contains its text. Uses the memory of ``workers`` batches and 20 bytes per document;
    encoded parts are stored beside ``target`` until they are joined.
    """
    info = read_tokenizer_folder(tokenizer)
    with (
        scratch_folder(target.with_name(f".{target.name}.work")) as work,
        WorkerPool(workers, PRELOADED) as pool,
    ):
        prefixes = [work / f"{number:06d}" for number in range(len(parts))]
        items = [(part, prefix, info, field, engine, eod) for part, prefix in zip(parts, prefixes)]
        encoded = list(pool.map(encode_part, items, "encode", [part.size for part in parts]))
        runs = [
            Extent(prefix, 0, facts["documents"])
            for prefix, facts in zip(prefixes, encoded)
            if facts["documents"]
        ]
        facts = copy_documents(runs, target)
    return {
        **facts,
        "engines": sorted({part["engine"] for part in encoded}),
        **{name: sum(part[name] for part in encoded) for name in ("text_bytes", "empty")},
    }


def encode_part(
    part: TextPart, prefix: Path, info: TokenizerInfo, field: str, engine: str, eod: bool
) -> dict[str, Any]:
    return encode_and_check(lambda: texts_of(part, field), prefix, info, engine, 1, part.name, eod)
