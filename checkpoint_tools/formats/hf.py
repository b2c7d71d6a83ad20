"""Hugging Face folders: safetensors read lazily and written one tensor at a time.

Owns the files of such a folder; ``megatron_ko.formats.hf_config`` interprets ``config.json``. Pickle files (``*.bin``) are never opened.
An export writes ``config.json`` last, so a killed export has none.
"""

from __future__ import annotations

import json
import struct
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from checkpoint_tools.formats.hf_config import config_json, exported_family, generation_config_json
from checkpoint_tools.formats.joined import join, part_of
from checkpoint_tools.formats.store import DTYPES, Store, check_names, require_space
from checkpoint_tools.formats.tokenizer_files import FILES as TOKENIZER_FILES
from checkpoint_tools.formats.tokenizer_files import publish_tokenizer, remove_tokenizer, tokenizer_in
from checkpoint_tools.prefetch import map_ahead
from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, read_json, write_json
from megatron_ko.formats.checksums import HashingFile
from megatron_ko.formats.hf_config import read_config
from megatron_ko.formats.hf_families import FAMILIES, Family
from megatron_ko.planning.weights import input_weight
from megatron_ko.progress import progress_bytes

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_NAMES = {"BF16": "bf16", "F32": "fp32", "F16": "fp16"}
_CODES = {dtype: code for code, dtype in _NAMES.items()}
MAPPED_BYTES = 1 << 26
"""Pages of a mapped file count as memory of the process, so that it is mapped anew before more are read."""
_EMBEDDING, _HEAD = input_weight().name, "lm_head.weight"
_DERIVED = "rotary_emb.inv_freq"  # written by old versions of transformers, computed from the configuration


# --- reading ---------------------------------------------------------------------------------------------


def is_hf(folder: Path) -> bool:
    """True for the folder of a model, also for an unfinished export."""
    return any(
        next(folder.glob(pattern), None) for pattern in ("config.json", INDEX, "*.safetensors", "*.bin")
    )


def open_hf(folder: Path, longest: int | None = None) -> Store:
    """Opens a folder and checks every name and shape against ``config.json``; reads headers only.

    ``longest``: the longest sequence that matters, see ``read_config``. Raises CheckpointError listing missing and
    unexpected names, and for files that are truncated, pickled, quantized or outside the folder.
    """
    config = read_config(folder, longest)
    family = FAMILIES[config.family]
    name_of = family.name_of
    files = _map_names_to_files(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    codes: dict[str, str] = {}
    for file in sorted(set(files.values())):
        with _open_shard(folder / file) as shard:
            stored = set(shard.keys())
            _check_index(folder / file, stored, {name for name, indexed in files.items() if indexed == file})
            for name in stored:
                view = shard.get_slice(name)
                shapes[name], codes[name] = tuple(view.get_shape()), view.get_dtype()
    shapes = {name: shape for name, shape in shapes.items() if not name.endswith((_DERIVED, *family.unused))}
    shards = _OpenShard()

    def read(name: str) -> Tensor:
        path = folder / files[name_of(name)]
        try:
            tensor = shards.read(path, name_of(name))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path}: {name} cannot be read ({error}); copy the file again", rule="damaged-safetensors"
            ) from None
        if len(tensors[name_of(name)]) == 1:
            return tensor
        return part_of(tensor, store.entries[name].weight.part, store.model).contiguous()

    store = Store(
        origin=str(folder),
        model=config.model,
        vocab_size=config.vocab_size,
        dtype=_one_dtype(folder, {codes[name] for name in shapes}),
        read=read,
        tokenizer=tokenizer_in(folder),
        special_ids=config.special_ids,
        generation=_read_generation_config(folder),
        warnings=config.warnings,
        family=config.family,
    )
    tensors = _weights_of_tensors(store, family)
    if config.model.tied_embeddings and name_of(_HEAD) in shapes:
        _check_tied_head(
            folder, shards.read(folder / files[name_of(_HEAD)], name_of(_HEAD)), read(_EMBEDDING)
        )
        del shapes[name_of(_HEAD)]
    check_names(str(folder), {name: _shape(store, weights) for name, weights in tensors.items()}, shapes)
    return store


Weights = tuple[str, ...]
"""Canonical names of the weights in one tensor of a folder."""


def _weights_of_tensors(store: Store, family: Family) -> dict[str, Weights]:
    """The weights in each tensor of a folder, by its name there. A family may give query, key and value one name."""
    tensors: dict[str, Weights] = {}
    for name in store.names():
        tensors[family.name_of(name)] = (*tensors.get(family.name_of(name), ()), name)
    return tensors


def _shape(store: Store, weights: Weights) -> tuple[int, ...]:
    return (sum(store.shape(name)[0] for name in weights), *store.shape(weights[0])[1:])


def _size(store: Store, weights: Weights) -> int:
    return sum(map(store.size, weights))


def _joined(store: Store, weights: Weights) -> Tensor:
    return join(
        [store.tensor(name) for name in weights], "groups" if len(weights) > 1 else "copy", store.model
    )


class _OpenShard:
    """Reads tensors, which are parts of a mapped file.

    A file stays mapped until another one is read, or a tensor with which more than MAPPED_BYTES would have been read.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._shard: Any = None
        self._bytes = 0

    def read(self, path: Path, name: str) -> Tensor:
        if path == self._path:
            tensor = self._shard.get_tensor(name)  # of a mapped file: nothing is read yet
            self._bytes += tensor.nbytes
        if path != self._path or self._bytes > MAPPED_BYTES:
            self._path, self._shard = path, _open_shard(path)
            tensor = self._shard.get_tensor(name)
            self._bytes = tensor.nbytes
        return tensor


def _check_tied_head(folder: Path, head: Tensor, embedding: Tensor) -> None:
    """Raises CheckpointError unless the output embedding of tied embeddings, which some tools write, is the input's."""
    if head.dtype != embedding.dtype or not torch.equal(head, embedding):
        raise CheckpointError(
            f"{folder}: {_HEAD} differs from {_EMBEDDING}, but tie_word_embeddings is true; set it to false in config.json if "
            "the model has an output embedding of its own, or remove the tensor",
            rule="tied-head-differs",
        )


def _read_generation_config(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    content = read_json(path, error=CheckpointError) if path.is_file() else {}
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path}: is not a JSON object; copy the file again, or remove it", rule="not-an-object"
        )
    return {} if content.get("_from_model_config") else content


def _map_names_to_files(folder: Path) -> dict[str, str]:
    """Maps each tensor name to its file in ``folder``."""
    single, index = (folder / SINGLE).is_file(), (folder / INDEX).is_file()
    if single and index:
        raise CheckpointError(
            f"{folder}: contains both {SINGLE} and {INDEX}; delete the outdated one",
            rule="two-sets-of-weights",
        )
    if single:
        with _open_shard(folder / SINGLE) as shard:
            return dict.fromkeys(shard.keys(), SINGLE)
    if not index:
        if pickled := sorted(path.name for path in folder.glob("*.bin")):
            raise CheckpointError(
                f"{folder}: contains only pickled weights ({pickled[0]}), and reading a pickle can run any code; "
                "convert them to safetensors where they come from",
                rule="pickled-weights",
            )
        raise CheckpointError(
            f"{folder}: contains neither {SINGLE} nor {INDEX}; check the path or copy the folder again",
            rule="missing-weights",
        )
    content = read_json(folder / INDEX, error=CheckpointError)
    files = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not files:
        raise CheckpointError(
            f"{folder / INDEX}: has no weight_map; copy the file again", rule="damaged-index"
        )
    for name, file in files.items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise CheckpointError(
                f"{folder / INDEX}: maps {name} to {file!r}; a shard must be a .safetensors file in the same folder",
                rule="shard-outside-folder",
            )
        if not (folder / file).is_file():
            raise CheckpointError(
                f"{folder / file}: no such file, but {INDEX} lists it; copy the folder again",
                rule="missing-shard",
            )
    return files


def _open_shard(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: is not a complete safetensors file ({error}); copy it again", rule="damaged-safetensors"
        ) from None


def _check_index(path: Path, stored: set[str], indexed: set[str]) -> None:
    differences = [f"  {name}: only in the file" for name in sorted(stored - indexed)]
    differences += [f"  {name}: only in the index" for name in sorted(indexed - stored)]
    if differences:
        message = f"{path}: its tensors are not those that {INDEX} lists; copy the folder again"
        raise CheckpointError("\n".join([message, *differences[:12]]), rule="index-mismatch")


def _one_dtype(folder: Path, codes: set[str]) -> str:
    unknown = sorted(codes - set(_NAMES))
    if unknown:
        raise CheckpointError(
            f"{folder}: tensors are {', '.join(unknown)}; use a model in BF16, F32 or F16",
            rule="unsupported-dtype",
        )
    return _NAMES[codes.pop()] if len(codes) == 1 else "mixed"


# --- writing ---------------------------------------------------------------------------------------------


def write_hf(store: Store, folder: Path, max_shard_gb: float) -> dict[str, str]:
    """Writes weights, tokenizer and ``config.json`` (last) to an empty or new ``folder``. Shards in 10^9 bytes.

    Returns the checksum of each file of weights by name.
    """
    family = exported_family(store.origin, store.model, store.family)
    require_space(folder, sum(map(store.size, store.names())))
    folder.mkdir(parents=True, exist_ok=True)
    shards = _shards(store, family, max_shard_gb)
    count = len(shards)
    files = (
        [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)] if count > 1 else [SINGLE]
    )
    checksums = {
        file: _write_safetensors(folder / file, store, tensors)
        for file, tensors in zip(files, shards, strict=True)
    }
    if count > 1:
        total = sum(store.size(name) for name in store.names())
        weight_map = {name: file for file, tensors in zip(files, shards, strict=True) for name in tensors}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    publish_tokenizer(store.tokenizer, folder, store.chat_template)
    generation = generation_config_json(store.special_ids, store.generation)
    write_json(folder / "generation_config.json", generation)
    config = config_json(family, store.model, store.vocab_size, store.dtype, store.special_ids)
    write_json(folder / "config.json", config)
    return checksums


def clear_hf(folder: Path) -> None:
    """Removes the files of an earlier export, ``config.json`` first; leaves all others."""
    patterns = (
        "config.json",
        INDEX,
        "model*.safetensors",
        "generation_config.json",
        "verification.json",
        "expansion.json",
        "operations.json",
        ".*.tmp",  # of a killed export
    )
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()
    remove_tokenizer(folder)


def files_of(folder: Path) -> list[str]:
    """Names of the files that ``write_hf`` wrote."""
    names = {"config.json", "generation_config.json", INDEX, *TOKENIZER_FILES}
    weights = {path.name for path in folder.glob("model*.safetensors")}
    return sorted(weights | {name for name in names if (folder / name).is_file()})


def shard_sizes(store: Store, max_shard_gb: float) -> list[int]:
    """Bytes of the weights in each file that ``write_hf`` would write."""
    family = exported_family(store.origin, store.model, store.family)
    shards = _shards(store, family, max_shard_gb)
    return [sum(_size(store, weights) for weights in tensors.values()) for tensors in shards]


def _shards(store: Store, family: Family, max_shard_gb: float) -> list[dict[str, Weights]]:
    """Tensors of each file, in order; a file ends before the tensor that would exceed the limit."""
    limit, used = max_shard_gb * 1e9, 0
    shards: list[dict[str, Weights]] = [{}]
    for name, weights in _weights_of_tensors(store, family).items():
        if shards[-1] and used + _size(store, weights) > limit:
            shards.append({})
            used = 0
        shards[-1][name] = weights
        used += _size(store, weights)
    return shards


def _write_safetensors(path: Path, store: Store, tensors: dict[str, Weights]) -> str:
    """Writes a safetensors file: length of the header, header (JSON, padded to 8 bytes), bytes of the tensors.

    Returns the checksum.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, weights in tensors.items():
        begin, end = end, end + _size(store, weights)
        header[name] = {
            "dtype": _CODES[store.dtype],
            "shape": list(_shape(store, weights)),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_file(path) as plain:
        file = HashingFile(plain)
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        sizes = [_size(store, weights) for weights in tensors.values()]
        shown = progress_bytes(tensors, f"writing {path.name}", sizes)
        read = map_ahead(partial(_joined, store), tensors.values())
        for name, tensor in zip(shown, read, strict=True):
            assert tensor.dtype == DTYPES[store.dtype], name
            file.write(tensor.contiguous().view(torch.uint8).numpy().data)
    return file.checksum()
