"""Operation ``inspect``: what a folder contains, from headers and indexes, without reading weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from checkpoint_tools.formats import contents, hf, mcore
from checkpoint_tools.formats.contents import Group, StoredTensor
from checkpoint_tools.formats.tokenizer_files import info_of, tokenizer_in
from checkpoint_tools.options.comparison import Inspect
from megatron_ko.config.yaml_tree import format_value
from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.files import write_json
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.hf_config import read_config
from megatron_ko.formats.operations_record import read_record
from megatron_ko.formats.run_folder import newest_checkpoint, require_folder, suggest_run_folder
from megatron_ko.tables import format_table, hang
from megatron_ko.wording import format_bytes, format_count


def run(options: Inspect) -> int:
    folder = Path(options.src).expanduser()
    require_folder(folder)
    if mcore.is_mcore(folder):
        checkpoint = newest_checkpoint(folder)
        location, place = checkpoint.folder, "pieces"
        facts, tensors = _facts_of_checkpoint(checkpoint), contents.contents_of_checkpoint(checkpoint.folder)
    elif hf.is_hf(folder):
        location, place = folder, "file"
        facts, tensors = _facts_of_hf(folder), contents.contents_of_hf(folder)
    else:
        raise CheckpointError(
            f"{folder}: is neither a Hugging Face folder (config.json) nor a checkpoint or run folder (checkpoint.json); "
            f"{suggest_run_folder(folder)}",
            rule="wrong-format",
        )
    weights = [tensor for tensor in tensors if tensor.is_weight]
    others = [tensor for tensor in tensors if not tensor.is_weight]
    facts["weights"] = _describe(weights)
    if others:
        facts["other state"] = f"{_describe(others)}{'' if options.state else '; --state lists it'}"
    entries = read_record(location)
    facts |= _lineage(entries)
    width = max(map(len, facts))
    for name, text in facts.items():
        print("\n".join(hang(f"{name:<{width}}  {text}", width + 2)))
    shown = tensors if options.state else weights
    rows = [
        [label, *(_cells(group) if group else [""] * 4)]
        for label, group in _tree(contents.group_layers(shown))
    ]
    print()
    print("\n".join(format_table([["tensor", "shape", "format", "bytes", place], *rows])))
    if options.out is not None:
        listed = {t.name: {"shape": t.shape, "format": t.dtype, place: t.place} for t in shown}
        write_json(Path(options.out).expanduser(), {"facts": facts, "operations": entries, "tensors": listed})
    return 0


def _cells(group: Group) -> list[str]:
    return [
        "x".join(map(str, group.first.shape)) or "1",
        group.first.dtype,
        format_bytes(sum(tensor.size * tensor.itemsize for tensor in group.tensors)),
        group.places[0] if len(group.places) == 1 else f"{group.places[0]} … {group.places[-1]}",
    ]


@dataclass
class _Level:
    """A part of the names of tensors: the tensors that end there, and the parts below."""

    group: Group | None = None
    below: dict[str, _Level] = field(default_factory=dict)


def _tree(groups: Sequence[Group]) -> list[tuple[str, Group | None]]:
    """Indented lines of a tree whose levels are the parts of the names; a level with one entry shares its line."""
    root = _Level()
    for group in groups:
        level = root
        for part in group.name.split("."):
            level = level.below.setdefault(part, _Level())
        level.group = group
    return list(_lines_of(root, ""))


def _lines_of(level: _Level, indent: str) -> Iterator[tuple[str, Group | None]]:
    for label, entry in level.below.items():
        while entry.group is None and len(entry.below) == 1:
            ((part, entry),) = entry.below.items()
            label += f".{part}"
        yield f"{indent}{label}", entry.group
        yield from _lines_of(entry, f"{indent}  ")


def _lineage(entries: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A line for each operation that made the model, oldest first."""
    lines = {}
    for number, entry in enumerate(entries, start=1):
        sizes, checks = entry["parameters"], entry["checks"]
        text = f"{entry['operation']} of {entry.get('source', 'a model that is not recorded')}, to {sizes['after']:,} parameters"
        proofs = [f"{check['name']} {check['value']:.3g} (at most {check['bound']:.3g})" for check in checks]
        lines[f"made by {number}" if len(entries) > 1 else "made by"] = "; ".join([text, *proofs])
    return lines


def _describe(tensors: list[StoredTensor]) -> str:
    numbers = sum(tensor.size for tensor in tensors)
    size = format_bytes(sum(tensor.size * tensor.itemsize for tensor in tensors))
    formats = ", ".join(dict.fromkeys(tensor.dtype for tensor in tensors))
    return f"{format_count(len(tensors), 'tensor')}, {numbers:,} numbers, {size}, {formats or 'none'}"


def _facts_of_checkpoint(checkpoint: Checkpoint) -> dict[str, str]:
    facts = {"checkpoint": str(checkpoint.folder)}
    position = f"step {checkpoint.step:,}, {checkpoint.samples:,} samples, {checkpoint.tokens:,} tokens"
    if checkpoint.stage:
        position += (
            f", stage {checkpoint.stage.number} ({checkpoint.stage.name}) step {checkpoint.stage.step:,}"
        )
    facts["position"] = position
    if checkpoint.loss is not None:
        facts["loss"] = f"{checkpoint.loss:.4f} (mean since the checkpoint before)"
    facts["model"] = _settings(asdict(checkpoint.model))
    if checkpoint.lora:
        base = checkpoint.lora.base
        targets = ", ".join(checkpoint.lora.targets)
        facts["adapters"] = (
            f"rank {checkpoint.lora.rank}, alpha {checkpoint.lora.alpha:g} on {targets}; "
            f"{f'base {base.folder}' if base else 'beside the weights of this checkpoint'}"
        )
    layout = checkpoint.layout or {}
    facts["written by"] = ", ".join(f"{name} {size}" for name, size in layout.items()) or "a conversion"
    facts["tokenizer"] = _tokenizer(checkpoint.folder / "tokenizer", checkpoint.tokenizer_fingerprint)
    facts["embedding"] = f"{checkpoint.vocab_size:,} rows, {checkpoint.padded_vocab_size:,} with padding"
    return facts


def _facts_of_hf(folder: Path) -> dict[str, str]:
    facts = {"Hugging Face": str(folder)}
    try:
        config = read_config(folder)
    except CheckpointError as error:
        facts["model"] = f"is not supported: {'; '.join(str(problem) for problem in error.problems)}"
    else:
        facts["family"] = config.family
        facts["model"] = _settings(asdict(config.model))
        facts["embedding"] = f"{config.vocab_size:,} rows"
    facts["tokenizer"] = _tokenizer(folder)
    return facts


def _settings(model: dict[str, Any]) -> str:
    """Fields of the model that are set, as a configuration spells them."""
    defaults = {None, False}
    fields = {name: value for name, value in model.items() if name != "rope"}
    shown = [
        f"{name} {value if isinstance(value, str) else format_value(value)}"
        for name, value in fields.items()
        if not isinstance(value, dict) and value not in defaults
    ]
    rope = model["rope"]
    return f"{', '.join(shown)}, rope {rope['base']:g} ({rope['scaling']['type']}, {rope['fraction']:g} of a head)"


def _tokenizer(folder: Path, recorded: str | None = None) -> str:
    path = tokenizer_in(folder)
    try:
        info = info_of(path, recorded)
    except (CheckpointError, DataError) as error:
        return f"cannot be read: {error}"
    if info is None:
        return "none"
    changed = (
        "" if recorded in (None, info.fingerprint) else f", but the checkpoint was trained with {recorded}"
    )
    return f"{info.vocab_size:,} tokens, {info.fingerprint}{changed}"
