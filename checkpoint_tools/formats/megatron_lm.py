"""A checkpoint of Megatron-LM (``iter_0001000/`` in the format ``torch_dist``) as a Store: weights and shape only.

Owns the layout of such folders; ``megatron_args`` owns the arguments, ``mcore`` the tensors, which are named and ordered as
in checkpoints of megatron_ko, because both are megatron-core's.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.megatron_args import model_of, read_args
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.tokenizer_files import info_of, special_ids, tokenizer_in
from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json
from megatron_ko.formats.checkpoint_folder import MARKER

NEWEST = "latest_checkpointed_iteration.txt"
_ITERATION = re.compile(r"^(?:iter_(\d+)|release)$")


def is_megatron_lm(folder: Path) -> bool:
    """True for the folder of one iteration, readable or not, and for one that contains iterations."""
    if (folder / MARKER).is_file():
        return False
    patterns = (NEWEST, ".metadata", "*.distcp", "mp_rank_*", "metadata.json", "iter_*")
    return any(next(folder.glob(pattern), None) for pattern in patterns)


def newest_iteration(folder: Path) -> Path:
    """``folder`` if it is one iteration, or else the one that its ``latest_checkpointed_iteration.txt`` names."""
    file = folder / NEWEST
    if not file.is_file():
        if not _is_iteration(folder):
            raise CheckpointError(
                f"{folder}: has no {NEWEST}; give the folder of one iteration, such as {folder / 'iter_0001000'}",
                rule="no-iteration",
            )
        return folder
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    if text != "release" and not re.fullmatch(r"[0-9]{1,12}", text):
        raise CheckpointError(
            f"{file}: must contain the number of an iteration or 'release', not {text[:40]!r}; give the folder of one iteration",
            rule="damaged-index",
        )
    newest = folder / (text if text == "release" else f"iter_{int(text):07d}")
    if not newest.is_dir():
        raise CheckpointError(
            f"{newest}: no such folder, but {NEWEST} names it; copy it again, or give the folder of another iteration",
            rule="missing-folder",
        )
    return newest


def _is_iteration(folder: Path) -> bool:
    content = (".metadata", "*.distcp", "mp_rank_*", "metadata.json")
    return bool(_ITERATION.match(folder.name)) or any(next(folder.glob(pattern), None) for pattern in content)


def open_megatron_lm(path: Path, tokenizer: Path) -> Store:
    """Opens the weights; the vocabulary is that of ``tokenizer``, and rows beyond it are padding.

    Raises CheckpointError for another format, for arguments of a model that is not supported, and when the tensors do not
    match them.
    """
    folder = newest_iteration(path)
    _check_format(folder)
    args = read_args(folder)
    model, padded = model_of(args, f"{folder}: args"), args["padded_vocab_size"]
    if not tokenizer.is_dir() or tokenizer_in(tokenizer) is None:
        raise CheckpointError(
            f"{tokenizer}: contains no tokenizer (tokenizer.json or tokenizer.model); give its folder with --tokenizer",
            rule="missing-tokenizer",
        )
    info = info_of(tokenizer)
    assert info is not None, tokenizer
    if info.vocab_size > padded:
        raise CheckpointError(
            f"{tokenizer}: has {info.vocab_size:,} tokens, but the embedding of {folder} has only {padded:,} rows "
            "(padded_vocab_size); give the tokenizer of this checkpoint",
            rule="vocabulary-mismatch",
        )
    model = replace(model, vocab_size=info.vocab_size)
    store = mcore.open_tensors(folder, model, info.vocab_size, padded)
    return replace(
        store,
        tokenizer=tokenizer,
        tokenizer_fingerprint=info.fingerprint,
        special_ids=special_ids(tokenizer),
        warnings=tuple(_find_warnings(args, tokenizer, info.vocab_size)),
    )


def _check_format(folder: Path) -> None:
    if next(folder.glob("mp_rank_*"), None):
        raise CheckpointError(
            f"{folder}: is in Megatron-LM's legacy format (mp_rank_*), a pickle for each rank, which can run any code when it is "
            "read; start its training program with --ckpt-convert-format torch_dist --ckpt-convert-save FOLDER to convert it",
            rule="legacy-checkpoint",
        )
    if not (folder / "metadata.json").is_file() or not (folder / ".metadata").is_file():
        lacking = "metadata.json" if not (folder / "metadata.json").is_file() else ".metadata"
        raise CheckpointError(
            f"{folder}: has no {lacking}; the checkpoint is incomplete, or not in the format torch_dist; copy it again, or use "
            "another iteration",
            rule="incomplete-checkpoint",
        )
    content = read_json(folder / "metadata.json", error=CheckpointError)
    backend = content.get("sharded_backend") if isinstance(content, dict) else None
    if backend != "torch_dist":
        raise CheckpointError(
            f"{folder}: its format is {backend!r}, but only torch_dist is read; start its training program with "
            "--ckpt-convert-format torch_dist --ckpt-convert-save FOLDER to convert it",
            rule="unsupported-format",
        )


def _find_warnings(args: dict[str, Any], tokenizer: Path, tokens: int) -> list[str]:
    """A tokenizer that pads to another number of rows than the checkpoint has is probably not its tokenizer."""
    padded = args["padded_vocab_size"]
    names = ("make_vocab_size_divisible_by", "tensor_model_parallel_size")
    factors = [factor for name in names if isinstance(factor := args.get(name), int) and factor > 0]
    if len(factors) < len(names):
        return []
    multiple = math.prod(factors)
    expected = -(-tokens // multiple) * multiple
    if expected == padded:
        return []
    return [
        f"{tokenizer} has {tokens:,} tokens, padded {expected:,}, but the checkpoint has {padded:,} rows;\n"
        f"  rows from {tokens:,} on are dropped; check that it is the tokenizer of this checkpoint"
    ]
