"""Both ends of an operation: opens and announces the source; checks, writes and verifies the destination.

Owns what operations share. What happens between the ends belongs to each operation, the bytes to ``formats/``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from checkpoint_tools import verify
from checkpoint_tools.digests import with_digests
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.lora import Adapter
from checkpoint_tools.formats.store import (
    Store,
    free_bytes,
    loses_digits,
    require_finite,
    require_space,
    with_dtype,
)
from checkpoint_tools.options.conversion import FromHf, FromMegatron, MergeLora, ToHf
from checkpoint_tools.options.vocabulary import ExpandVocab, PruneVocab
from checkpoint_tools.publishing.export_files import clear_card
from megatron_ko.errors import CheckpointError, ConfigError, Problem
from megatron_ko.files import write_json, write_text
from megatron_ko.formats.checkpoint_folder import UNFINISHED, require_finished
from megatron_ko.formats.checksums import describe_files
from megatron_ko.formats.run_folder import require_folder, run_that_owns, suggest_run_folder
from megatron_ko.planning.weights import padded_vocab_size, parameter_count
from megatron_ko.wording import format_bytes, format_count

Format = Literal["hf", "megatron"]
PROGRAM_BYTES = 1 << 30
MODEL = "a Hugging Face folder (config.json) or a checkpoint or run folder (checkpoint.json)"


# --- the source ------------------------------------------------------------------------------------------


def open_source(
    path: str, is_format: Callable[[Path], bool], format_name: str, open_folder: Callable[[Path], Store]
) -> Store:
    """Opens the folder ``path`` and prints its size. Raises CheckpointError unless ``is_format`` accepts the folder."""
    folder = Path(path).expanduser()
    require_folder(folder)
    if not is_format(folder):
        raise CheckpointError(
            f"{folder}: is not {format_name}; {suggest_run_folder(folder)}", rule="wrong-format"
        )
    require_finished(folder)
    store = open_folder(folder)
    count = parameter_count(store.model, store.vocab_size)
    print(
        f"source {store.origin}\n"
        f"  {format_count(count, 'parameter')}, {format_count(store.model.layers, 'layer')}, "
        f"{format_count(store.vocab_size, 'token')}, {store.dtype}"
    )
    for warning in store.warnings:
        print(f"warning: {warning}")
    return store


def open_model(path: str) -> Store:
    """Opens and announces a model of either format."""
    return open_source(path, verify.is_model, MODEL, lambda folder: verify.open_store(str(folder)))


def open_vocabulary_source(options: ExpandVocab | PruneVocab) -> Store:
    """Opens the source of an operation that changes the vocabulary.

    Checks the number format and the destination, too, so that mistakes are reported before work starts.
    """
    source = open_model(options.src)
    if options.dtype is None:
        with_one_dtype(source, None)
    if options.dst is not None:
        folder = check_destination(options.dst, source, options.overwrite)
        check_apart(str(folder), Path(options.tokenizer).expanduser(), "the tokenizer folder")
    return source


def convert_dtype(source: Store, options: ToHf | FromHf | MergeLora, default: str | None = None) -> Store:
    """The source in the number format of the options, or in ``default``.

    Raises ConfigError when rounding makes logits differ, and CheckpointError when their ranks cannot divide the model.
    """
    store = with_one_dtype(source, options.dtype or default)
    if options.logits:
        padded = padded_vocab_size(store.vocab_size, store.model.vocab_multiple)
        mcore.check_splits(store.model, padded, options.tensor_parallel)
    if options.logits and loses_digits(source.dtype, store.dtype):
        message = f"needs equal weights, but {store.dtype} rounds {source.dtype}; leave out --logits, or write --dtype fp32"
        raise ConfigError([Problem("", "--logits", message, "logits-of-rounded-weights")])
    return store


def with_one_dtype(source: Store, dtype: str | None) -> Store:
    """The source in ``dtype``, or in its own. Raises CheckpointError when it has several."""
    if dtype is None and source.dtype == "mixed":
        raise CheckpointError(
            f"{source.origin}: tensors have several number formats; give --dtype fp32 or --dtype bf16",
            rule="mixed-dtypes",
        )
    return with_dtype(source, dtype)


# --- the destination -------------------------------------------------------------------------------------


def check_destination(path: str, source: Store, overwrite: bool) -> Path:
    """Returns the folder without changing it. Raises CheckpointError when nothing may be written there."""
    folder = Path(path).expanduser()
    check_apart(path, Path(source.origin), "the source")
    if run := run_that_owns(folder):
        raise CheckpointError(
            f"{folder}: belongs to the run {run}, which would take it for its own; choose a DST beside the run",
            rule="destination-of-a-run",
        )
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file; choose another DST", rule="destination-is-a-file")
    unfinished = (folder / UNFINISHED).is_file()
    if folder.is_dir() and any(folder.iterdir()) and not (overwrite or unfinished):
        raise CheckpointError(
            f"{folder}: is not empty; choose another DST or give --overwrite", rule="destination-not-empty"
        )
    return folder


def check_apart(path: str, other: Path, name: str) -> None:
    """Raises CheckpointError if the destination ``path`` is in the folder ``other``, or contains it."""
    folder = Path(path).expanduser()
    if _overlap(folder, other):
        raise CheckpointError(
            f"{folder}: overlaps with {name} {other}; choose another DST", rule="overlapping-folders"
        )


def _overlap(a: Path, b: Path) -> bool:
    """True when one folder is the other or contains it."""
    a, b = a.resolve(), b.resolve()
    return a == b or a in b.parents or b in a.parents


def clear_destination(
    path: str, source: Store, overwrite: bool, clear: Callable[[Path], None], content: str
) -> Path:
    """Returns an empty or new folder apart from the source.

    With ``overwrite``, or if an earlier call was killed, removes the files of that output (``clear``) and leaves others;
    ``content`` names the output in errors. Raises CheckpointError when other weights remain.
    """
    folder = check_destination(path, source, overwrite)
    if folder.is_dir() and any(folder.iterdir()):
        clear(folder)
        if left := sorted(
            path.name for path in folder.iterdir() if path.suffix in (".distcp", ".safetensors", ".bin")
        ):
            raise CheckpointError(
                f"{folder}: contains {left[0]}, which does not belong to {content}; choose another DST",
                rule="foreign-weights",
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / UNFINISHED, f"{source.origin}\n")
    return folder


@dataclass(frozen=True)
class Written:
    """What was written to ``folder``, to be verified.

    ``digests``: of each tensor, by name, as it was read from the Store. ``checksums``: of the files of weights in a Hugging
    Face folder; a checkpoint has its own.
    """

    folder: Path
    digests: dict[str, bytes]
    checksums: dict[str, str] = field(default_factory=dict)

    def open(self) -> Store:
        """The folder by the reader of its format; checksums are not compared, because tensors will be."""
        return verify.open_store(str(self.folder), check_content=False)


def write_as_hf(
    store: Store,
    source: Store,
    path: str,
    overwrite: bool,
    max_shard_gb: float,
    allow_nonfinite: bool = False,
) -> Written:
    """Writes ``store`` as a Hugging Face folder."""
    exported_family(store.origin, store.model, store.family)
    folder = clear_destination(path, source, overwrite, _clear_export, "an export")
    digests: dict[str, bytes] = {}
    watched = with_digests(store if allow_nonfinite else require_finite(store), digests)
    return Written(folder, digests, hf.write_hf(watched, folder, max_shard_gb))


def _clear_export(folder: Path) -> None:
    clear_card(folder)
    hf.clear_hf(folder)


def write_as_checkpoint(
    store: Store, source: Store, path: str, overwrite: bool, allow_nonfinite: bool = False
) -> Written:
    """Writes ``store`` as a checkpoint of step 0."""
    mcore.check_writable(store)
    folder = clear_destination(path, source, overwrite, mcore.clear_mcore, "a checkpoint")
    digests: dict[str, bytes] = {}
    mcore.write_mcore(with_digests(store if allow_nonfinite else require_finite(store), digests), folder)
    return Written(folder, digests)


class OutputOptions(Protocol):
    """Options of an operation that writes in the format of its source."""

    @property
    def format(self) -> Format | None: ...
    @property
    def max_shard_gb(self) -> float: ...
    @property
    def overwrite(self) -> bool: ...


def output_format(source: Store, options: OutputOptions) -> Format:
    """The format of the options, or the source's own."""
    return options.format or ("megatron" if mcore.is_mcore(Path(source.origin)) else "hf")


def write_like_source(store: Store, source: Store, options: OutputOptions, dst: str) -> Written:
    """Writes ``store`` in ``output_format``."""
    if output_format(source, options) == "hf":
        return write_as_hf(store, source, dst, options.overwrite, options.max_shard_gb)
    return write_as_checkpoint(store, source, dst, options.overwrite)


def verify_output(
    store: Store,
    written: Written,
    options: ToHf | FromHf | MergeLora | None = None,
    unrounded: Store | None = None,
    beside: Sequence[str] = (),
    adapter: Adapter | None = None,
) -> int:
    """Compares the written model with ``store``, prints a summary and writes ``verification.json``; returns 0.

    The model is read back by the reader of its format, and compared with what was read from ``store`` to write it.
    ``verification.json`` has checksums of a Hugging Face folder's files, those named in ``beside`` included. Also says what
    rounding cost if ``unrounded`` is of a format with more digits. Logits are those of the source with ``adapter``. Raises
    CheckpointError when the model differs from ``store``.
    """
    folder, output = written.folder, written.open()
    weights = verify.compare(store, output, written.digests)
    print(weights.summary())
    report: dict[str, Any] = {"weights": weights.report()}
    if store.adapter:
        report["adapter"] = store.adapter
    if unrounded is not None and loses_digits(unrounded.dtype, store.dtype):
        rounding = verify.compare(unrounded, output)
        print(
            f"rounded {unrounded.dtype} to {store.dtype}: weights changed by at most {rounding.largest_difference:.3g}"
        )
        report["rounding"] = {
            "from": unrounded.dtype,
            "to": store.dtype,
            "largest_difference": rounding.largest_difference,
        }
    failures = [] if weights.is_equal_within(0.0) else ["the weights read back differ from those written"]
    if options is not None and options.logits:
        tokens = verify.sample_tokens(store, None)
        base = Path(options.base).expanduser() if isinstance(options, MergeLora) and options.base else None
        logits = verify.compare_logits(
            store.origin, str(folder), tokens, options.tolerance, options.tensor_parallel, adapter, base
        )
        print(logits.summary())
        report["logits"] = asdict(logits)
        if not logits.ok:
            failures.append(f"the logits differ by {logits.difference:.3g}, more than {options.tolerance:g}")
    if hf.is_hf(folder):
        report["files"] = describe_files(folder, sorted([*hf.files_of(folder), *beside]), written.checksums)
    write_json(folder / "verification.json", report)
    if failures:
        raise CheckpointError(
            f"{folder}: {'; '.join(failures)}; do not use it, see verification.json",
            rule="verification-failed",
        )
    (folder / UNFINISHED).unlink(missing_ok=True)
    print(f"wrote {folder}")
    return 0


def describe_checkpoint(store: Store, source: Store, options: FromHf | FromMegatron | MergeLora) -> int:
    """``describe_output`` of ``write_as_checkpoint``, with its checks."""
    folder = check_destination(options.dst, source, options.overwrite)
    mcore.check_writable(store)
    return describe_output(store, folder, [mcore.written_bytes(store)])


def describe_output(store: Store, folder: Path, sizes: Sequence[int]) -> int:
    """Prints what would be written to ``folder``, in files of ``sizes`` bytes, and what that needs; returns 0.

    Memory: the program, a mapped part of the source, and four copies of the largest tensor. Raises CheckpointError where
    the disk has too little space.
    """
    memory = PROGRAM_BYTES + hf.MAPPED_BYTES + 4 * max(map(store.size, store.names()))
    print(
        f"would write {folder}\n"
        f"  {format_count(len(sizes), 'file')} of weights, {format_bytes(sum(sizes))} in {store.dtype}; "
        f"{format_bytes(free_bytes(folder))} are free there\n"
        f"  at most about {format_bytes(memory)} of memory, without --logits"
    )
    require_space(folder, sum(sizes))
    return 0
