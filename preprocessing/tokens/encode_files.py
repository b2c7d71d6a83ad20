"""Text files to one pair of token files as they are, without a pipeline: what Megatron-LM's ``preprocess_data.py`` does.

Owns the parts, which processes encode alone, and their joining: the pair has the bytes of encoding all documents in one go,
for any number of processes.
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
from preprocessing.tokens.encode_columns import encode_checked
from preprocessing.tokens.token_files import Extent, copy_documents

PART_BYTES = 16 << 20
MOST_PARTS = 4096  # each is a mapped file while they are joined


def parts_to_encode(paths: Sequence[str]) -> list[TextPart]:
    """Parts of PART_BYTES, larger ones where these would be too many."""
    parts = parts_of(paths, PART_BYTES)
    larger = -(-len(parts) // MOST_PARTS)
    return parts if larger <= 1 else parts_of(paths, PART_BYTES * larger)


def encode_files(
    parts: Sequence[TextPart], tokenizer: Path, target: Path, field: str, engine: str, eod: bool, workers: int
) -> dict[str, Any]:
    """Writes ``target``.bin and .idx of the documents of all parts, in order; returns what ``copy_documents`` does and more.

    ``field``: of a record, its text. Memory is that of ``workers`` batches, and 20 bytes for each document; parts lie beside
    ``target`` until they are joined.
    """
    info = read_tokenizer_folder(tokenizer)
    with (
        scratch_folder(target.with_name(f".{target.name}.work")) as work,
        WorkerPool(workers, PRELOADED) as pool,
    ):
        prefixes = [work / f"{number:06d}" for number in range(len(parts))]
        items = [(part, prefix, info, field, engine, eod) for part, prefix in zip(parts, prefixes)]
        made = list(pool.map(encode_part, items, "encode", [part.size for part in parts]))
        runs = [
            Extent(prefix, 0, facts["documents"])
            for prefix, facts in zip(prefixes, made)
            if facts["documents"]
        ]
        facts = copy_documents(runs, target)
    return {
        **facts,
        "engines": sorted({part["engine"] for part in made}),
        **{name: sum(part[name] for part in made) for name in ("text_bytes", "empty")},
    }


def encode_part(
    part: TextPart, prefix: Path, info: TokenizerInfo, field: str, engine: str, eod: bool
) -> dict[str, Any]:
    return encode_checked(lambda: texts_of(part, field), prefix, info, engine, 1, part.name, eod)
