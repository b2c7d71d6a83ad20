"""Hugging Face folders: safetensors read lazily and written one tensor at a time.

Owns the files of such a folder. ``hf_config`` interprets ``config.json``. Pickle files (``*.bin``) are never
opened. An export writes its shards first and ``config.json`` last, so one that was killed has no ``config.json``.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from checkpoint_tools.formats.hf_config import (
    check_exportable,
    config_json,
    generation_config_json,
    read_config,
)
from checkpoint_tools.formats.store import DTYPES, Store, check_names
from checkpoint_tools.formats.tokenizer_files import copy_tokenizer, remove_tokenizer, tokenizer_in
from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, read_json, write_json
from megatron_ko.progress import progress

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_NAMES = {"BF16": "bf16", "F32": "fp32", "F16": "fp16"}
_CODES = {dtype: code for code, dtype in _NAMES.items()}
_DERIVED = "rotary_emb.inv_freq"  # written by old versions of transformers, computed from the configuration


# --- reading ---------------------------------------------------------------------------------------------


def is_hf(folder: Path) -> bool:
    """True for a model's folder, also for an export that did not finish."""
    return any(
        next(folder.glob(pattern), None) for pattern in ("config.json", INDEX, "*.safetensors", "*.bin")
    )


def open_hf(folder: Path) -> Store:
    """Checks every name and shape against ``config.json``; reads headers only.

    Raises CheckpointError listing missing and left-over names, and for files that are truncated, pickled, quantized
    or outside the folder.
    """
    config = read_config(folder)
    places = _places(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    codes: dict[str, str] = {}
    for file in sorted(set(places.values())):
        with _open_shard(folder / file) as shard:
            held = set(shard.keys())
            _check_index(folder / file, held, {name for name, place in places.items() if place == file})
            for name in held:
                view = shard.get_slice(name)
                shapes[name], codes[name] = tuple(view.get_shape()), view.get_dtype()
    shapes = {name: shape for name, shape in shapes.items() if not name.endswith(_DERIVED)}
    handle = lru_cache(maxsize=1)(_open_shard)  # names come file by file; only one stays mapped

    def read(name: str) -> Tensor:
        path = folder / places[name]
        try:
            return handle(path).get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: {name} cannot be read ({error}); copy the file again") from None

    store = Store(
        origin=str(folder),
        model=config.model,
        vocab_size=config.vocab_size,
        dtype=_one_dtype(folder, {codes[name] for name in shapes}),
        read=read,
        tokenizer=tokenizer_in(folder),
        special_ids=config.special_ids,
    )
    check_names(str(folder), {name: store.shape(name) for name in store.names()}, shapes)
    return store


def _places(folder: Path) -> dict[str, str]:
    """Tensor name to the file in ``folder`` that holds it."""
    single, index = (folder / SINGLE).is_file(), (folder / INDEX).is_file()
    if single and index:
        raise CheckpointError(f"{folder}: has both {SINGLE} and {INDEX}; delete the one that is left over")
    if single:
        with _open_shard(folder / SINGLE) as shard:
            return dict.fromkeys(shard.keys(), SINGLE)
    if not index:
        if pickled := sorted(path.name for path in folder.glob("*.bin")):
            raise CheckpointError(
                f"{folder}: holds pickled weights only ({pickled[0]}), and a pickle can run any code when it is read; "
                "convert them to safetensors where they come from"
            )
        raise CheckpointError(
            f"{folder}: has neither {SINGLE} nor {INDEX}; check the path or copy the folder again"
        )
    content = read_json(folder / INDEX, error=CheckpointError)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{folder / INDEX}: has no weight_map; copy the file again")
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise CheckpointError(
                f"{folder / INDEX}: places {name} in {file!r}; a shard is a .safetensors file in the same folder"
            )
        if not (folder / file).is_file():
            raise CheckpointError(
                f"{folder / file}: no such file, but {INDEX} names it; copy the folder again"
            )
    return places


def _open_shard(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: is not a whole safetensors file ({error}); copy it again") from None


def _check_index(path: Path, held: set[str], placed: set[str]) -> None:
    problems = [f"  {name}: in the file, not in the index" for name in sorted(held - placed)]
    problems += [f"  {name}: in the index, not in the file" for name in sorted(placed - held)]
    if problems:
        raise CheckpointError(f"{path}: does not hold what {INDEX} says\n" + "\n".join(problems[:12]))


def _one_dtype(folder: Path, codes: set[str]) -> str:
    unknown = sorted(codes - set(_NAMES))
    if unknown:
        raise CheckpointError(f"{folder}: tensors are {', '.join(unknown)}; take a model in BF16, F32 or F16")
    return _NAMES[codes.pop()] if len(codes) == 1 else "mixed"


# --- writing ---------------------------------------------------------------------------------------------


def write_hf(store: Store, folder: Path, max_shard_gb: float) -> None:
    """Writes weights, tokenizer and ``config.json`` (last) to an empty or new ``folder``. Shards in 10^9 bytes."""
    check_exportable(store.origin, store.model)
    folder.mkdir(parents=True, exist_ok=True)
    shards = _shards(store, max_shard_gb)
    count = len(shards)
    files = (
        [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)] if count > 1 else [SINGLE]
    )
    for file, names in zip(files, shards):
        _write_safetensors(folder / file, store, names)
    if count > 1:
        total = sum(_size(store, name) for name in store.names())
        places = {name: file for file, names in zip(files, shards) for name in names}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})
    copy_tokenizer(store.tokenizer, folder)
    write_json(folder / "generation_config.json", generation_config_json(store.special_ids))
    write_json(
        folder / "config.json", config_json(store.model, store.vocab_size, store.dtype, store.special_ids)
    )


def clear_hf(folder: Path) -> None:
    """Removes an earlier export: ``config.json`` first, then only files that an export writes."""
    left_by_a_killed_export = ".*.tmp"
    written = (
        "config.json",
        INDEX,
        "model*.safetensors",
        "generation_config.json",
        "verification.json",
        "expansion.json",
    )
    for pattern in (*written, left_by_a_killed_export):
        for path in folder.glob(pattern):
            path.unlink()
    remove_tokenizer(folder)


def _size(store: Store, name: str) -> int:
    return math.prod(store.shape(name)) * DTYPES[store.dtype].itemsize


def _shards(store: Store, max_shard_gb: float) -> list[list[str]]:
    """Names in order, cut where the next tensor would make a file larger than the limit."""
    limit, used = max_shard_gb * 1e9, 0
    shards: list[list[str]] = [[]]
    for name in store.names():
        if shards[-1] and used + _size(store, name) > limit:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += _size(store, name)
    return shards


def _write_safetensors(path: Path, store: Store, names: list[str]) -> None:
    """The format of safetensors: length of the header, header (JSON, padded to 8 bytes), bytes of the tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        begin, end = end, end + _size(store, name)
        header[name] = {
            "dtype": _CODES[store.dtype],
            "shape": list(store.shape(name)),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    need, free = end + len(text) + 8, shutil.disk_usage(path.parent).free
    if need > free:
        raise CheckpointError(f"{path}: needs {need:,} bytes, the disk has {free:,} free; make room")
    with atomic_file(path) as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name in progress(names, f"writing {path.name}", unit="tensor"):
            tensor = store.tensor(name)
            assert tensor.dtype == DTYPES[store.dtype], name
            file.write(tensor.contiguous().view(torch.uint8).numpy().data)
