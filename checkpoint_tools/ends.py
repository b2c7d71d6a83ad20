"""Both ends of an operation: the source opened and announced, the destination checked, written and read back.

Owns what all operations do alike; what lies between is each operation's, the bytes are ``hf``'s and ``mcore``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from checkpoint_tools import verify
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import check_exportable
from checkpoint_tools.formats.store import Store, loses_digits, with_dtype
from checkpoint_tools.options import FromHf, ToHf
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.files import write_json
from megatron_ko.planning.weights import parameter_count

Format = Literal["hf", "megatron"]


def either(folder: Path) -> bool:
    """True for a folder of any format."""
    return mcore.is_mcore(folder) or hf.is_hf(folder)


def format_of(store: Store) -> Format:
    return "megatron" if mcore.is_mcore(Path(store.origin)) else "hf"


def opened(path: str, fits: Callable[[Path], bool], what: str, open_it: Callable[[Path], Store]) -> Store:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; check src")
    if not fits(folder):
        raise CheckpointError(f"{folder}: is not {what}; check src")
    store = open_it(folder)
    count = parameter_count(store.model, store.vocab_size)
    print(
        f"{store.origin}: {count:,} parameters, {store.model.layers} layers, {store.vocab_size:,} tokens, {store.dtype}"
    )
    return store


def converted(source: Store, options: ToHf | FromHf) -> Store:
    store = in_one_dtype(source, options.dtype)
    if options.logits and loses_digits(source.dtype, store.dtype):
        raise ConfigError(
            f"logits=true needs equal weights, but {store.dtype} rounds {source.dtype}; leave out one of them"
        )
    return store


def in_one_dtype(source: Store, dtype: str | None) -> Store:
    if dtype is None and source.dtype == "mixed":
        raise CheckpointError(
            f"{source.origin}: tensors have several number formats; give dtype=fp32 or dtype=bf16"
        )
    return with_dtype(source, dtype)


def destination(path: str, source: Store, overwrite: bool, clear: Callable[[Path], None], what: str) -> Path:
    """An empty or new folder apart from the source; with ``overwrite``, one emptied of what ``what`` consists of."""
    folder = checked_destination(path, source, overwrite)
    if folder.is_dir() and any(folder.iterdir()):
        clear(folder)
        if left := sorted(
            path.name for path in folder.iterdir() if path.suffix in (".distcp", ".safetensors", ".bin")
        ):
            raise CheckpointError(
                f"{folder}: holds {left[0]}, which is no part of {what}; choose another dst"
            )
    return folder


def checked_destination(path: str, source: Store, overwrite: bool) -> Path:
    """The folder, untouched. Raises CheckpointError when nothing may be written there."""
    folder, origin = Path(path).expanduser(), Path(source.origin).resolve()
    resolved = folder.resolve()
    if resolved == origin or resolved in origin.parents or origin in resolved.parents:
        raise CheckpointError(
            f"{folder}: is, holds or is inside the source {source.origin}; choose another dst"
        )
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file; choose another dst")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise CheckpointError(f"{folder}: is not empty; choose another dst or give overwrite=true")
    return folder


def written(
    store: Store, source: Store, path: str, form: Format, overwrite: bool, max_shard_gb: float
) -> Path:
    """Writes ``store`` to ``path`` in the format ``form``; returns the folder."""
    if form == "hf":
        check_exportable(store.origin, store.model)
        folder = destination(path, source, overwrite, hf.clear_hf, "an export")
        hf.write_hf(store, folder, max_shard_gb)
    else:
        mcore.check_writable(store)
        folder = destination(path, source, overwrite, mcore.clear_mcore, "a checkpoint")
        mcore.write_mcore(store, folder)
    return folder


def verified(store: Store, found_there: Store, folder: Path, options: ToHf | FromHf | None = None) -> int:
    """Reads the output back against the source and writes ``verification.json`` into it."""
    found = verify.compare(store, found_there)
    print(found.summary())
    report: dict[str, Any] = {"weights": found.report()}
    failures = (
        [] if found.same_form and found.largest == 0 else ["what was read back is not what was written"]
    )
    if options is not None and options.logits:
        tokens = verify.sample_tokens(store, None)
        result = verify.parity(store.origin, str(folder), tokens, options.tolerance, options.tensor_parallel)
        print(result.summary())
        report["logits"] = asdict(result)
        failures += (
            []
            if result.ok
            else [f"the logits differ by {result.difference:.3g}, more than {options.tolerance:g}"]
        )
    write_json(folder / "verification.json", report)
    if failures:
        raise CheckpointError(f"{folder}: {'; '.join(failures)}; do not use it, see verification.json")
    print(f"wrote {folder}")
    return 0
