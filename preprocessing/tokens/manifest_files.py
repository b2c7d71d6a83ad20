"""Files beside the token files that other programs read: manifest, blend, sequence counts, stages.

Owns ``manifest.json`` (written last), ``tokens/blend.txt`` and ``tokens/sequences.json`` for unmodified Megatron-LM, and
``stages/NAME.yaml`` with ``stages/stages.json`` for the trainer.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from megatron_ko.config.yaml_tree import dump
from megatron_ko.files import write_json, write_text
from megatron_ko.formats.manifest import FORMAT
from megatron_ko.formats.tokenizer_folder import TokenizerInfo
from preprocessing.config.pipeline import Config
from preprocessing.corpus.mixtures import Stage, epochs_of, mixture_of, stages_of

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"


def write(
    folder: Path, info: TokenizerInfo, sets: list[dict[str, Any]], config: Config
) -> tuple[list[Path], dict[str, Any]]:
    """Writes all files, the manifest last; returns their paths and a summary of mixture, epochs and stages."""
    balance = config.balance
    tokens = {entry["name"]: entry["tokens"] for entry in sets if entry["split"] == "train"}
    mixture = mixture_of(config.domains, tokens, balance)
    epochs = {} if balance.token_budget is None else epochs_of(mixture, tokens, balance.token_budget)
    stages = stages_of(config.domains, tokens, balance)
    files = [
        _write_blend(folder, sets, mixture),
        _write_sequences(folder, sets),
        *_write_stages(folder, stages),
    ]
    write_json(folder / MANIFEST, manifest_of(info, sets, mixture))
    summary = {
        "mixture": mixture,
        "epochs": epochs,
        "stages": [dataclasses.asdict(stage) for stage in stages],
    }
    return [*files, folder / MANIFEST], summary


def manifest_of(
    info: TokenizerInfo, sets: list[dict[str, Any]], mixture: dict[str, float], folder: str = "tokenizer"
) -> dict[str, Any]:
    """``folder``: that of the tokenizer, relative to the manifest."""
    tokenizer = {
        "folder": folder,
        "fingerprint": info.fingerprint,
        "vocab_size": info.vocab_size,
        "eod_id": info.eos_id,
    }
    return {"format": FORMAT, "tokenizer": tokenizer, "sets": sets, "mixture": mixture}


def set_entry(
    name: str, split: str, dtype: str, text_bytes: int, pairs: list[dict[str, Any]]
) -> dict[str, Any]:
    """A set of the manifest: the files of a single pair beside the counts, or a list of several pairs."""
    counts = {
        "documents": sum(pair["documents"] for pair in pairs),
        "tokens": sum(pair["tokens"] for pair in pairs),
        "text_bytes": text_bytes,
        "max_id": max(pair["max_id"] for pair in pairs),
    }
    if len(pairs) > 1:
        return {"name": name, "split": split, "dtype": dtype, **counts, "pairs": pairs}
    files = {key: pairs[0][key] for key in ("bin_bytes", "idx_bytes", "sha256")}
    return {"name": name, "split": split, "prefix": pairs[0]["prefix"], "dtype": dtype, **counts, **files}


def pairs_of(sets: Iterable[dict[str, Any]]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    return ((entry, pair) for entry in sets for pair in entry.get("pairs", [entry]))


def _write_blend(folder: Path, sets: list[dict[str, Any]], mixture: dict[str, float]) -> Path:
    """``--data-args-path`` of Megatron-LM: weight and prefix of every training pair."""
    blend = [
        f"{mixture[entry['name']] * pair['tokens'] / entry['tokens']:.10g} {folder / pair['prefix']}"
        for entry, pair in pairs_of(sets)
        if entry["split"] == "train"
    ]
    path = folder / "tokens" / "blend.txt"
    write_text(path, "\n".join(blend) + "\n")
    return path


def _write_sequences(folder: Path, sets: list[dict[str, Any]]) -> Path:
    """``--per-dataset-sequences-path`` of Megatron-LM: ``{prefix: [sequences, document boundaries]}``."""
    path = folder / "tokens" / "sequences.json"
    counts = {
        str(folder / pair["prefix"]): [pair["documents"], pair["documents"] + 1] for _, pair in pairs_of(sets)
    }
    write_json(path, counts)
    return path


def _write_stages(folder: Path, stages: list[Stage]) -> list[Path]:
    """Writes one file per stage, for the trainer to read after its own, and all stages with their epochs as JSON."""
    if not stages:
        return []
    files = []
    for stage in stages:
        path = folder / "stages" / f"{stage.name}.yaml"
        write_text(path, stage_yaml(stage, folder / MANIFEST))
        files.append(path)
    path = folder / "stages" / "stages.json"
    write_json(path, [dataclasses.asdict(stage) for stage in stages])
    return [*files, path]


def stage_yaml(stage: Stage, manifest: Path) -> str:
    """Data settings of a stage; its number of steps depends on the batch, which only the trainer knows."""
    head = (
        f"# Stage {stage.name} of {stage.tokens:,} tokens: set training.steps to\n"
        f"# {stage.tokens} / (training.global_batch_size * training.sequence_length).\n"
        "# Give it after the file of the run, which must not hold data.mixture itself: mixtures are merged by name.\n"
    )
    content = {"data": {"manifest": str(manifest), "mixture": stage.shares}}
    return head + dump(content)


def warn(epochs: dict[str, float], stages: list[dict[str, Any]], max_epochs: float) -> None:
    """Warns about domains that are repeated more than ``max_epochs`` times in the run or up to a stage."""
    for name, passes in epochs.items():
        if passes > max_epochs:
            log.warning(
                "domain %s: %.1f epochs within the token budget exceed balance.max_epochs = %g; lower its share, or add text",
                name, passes, max_epochs,
            )  # fmt: skip
    for stage in stages:
        for name, passes in stage["epochs_so_far"].items():
            if passes > max_epochs and stage["epochs"][name] > 0:
                log.warning(
                    "domain %s: %.1f epochs by the end of stage %s exceed balance.max_epochs = %g; lower its share, or add text",
                    name, passes, stage["name"], max_epochs,
                )  # fmt: skip
