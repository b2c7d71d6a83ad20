"""Facts of a model card, read from the checkpoint and the folder of its run; nothing is assumed. No torch.

Owns which file a fact comes from and which conditions connect that file with the checkpoint. A fact whose file is missing,
damaged or of another run is left out and named in ``missing``; ``card`` writes the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from checkpoint_tools.publishing.training_config import last_part
from megatron_ko.config.loading import read_recorded, real_keys
from megatron_ko.config.training import Config
from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats.checkpoint_folder import MARKER, STEP, Checkpoint
from megatron_ko.formats.manifest import FORMAT as MANIFEST_FORMAT
from megatron_ko.formats.run_folder import read_metrics

T = TypeVar("T")
LANGUAGES = ("ko", "en")


@dataclass(frozen=True)
class TrainingSet:
    """``share`` of the samples, 0 to 1; the numbers are those of the whole set, which a run may read in part or repeat."""

    name: str
    share: float
    documents: int
    tokens: int
    text_bytes: int


@dataclass(frozen=True)
class Loss:
    """Validation of one set: nats per token and bits per byte; ``start`` is the loss and bits per byte before training."""

    name: str
    loss: float
    bits_per_byte: float
    start: tuple[float, float] | None


@dataclass(frozen=True)
class Rate:
    """Efficiency of the tokenizer on the validation text of a language."""

    language: str
    bytes_per_token: float
    characters_per_token: float


@dataclass(frozen=True)
class Facts:
    name: str
    checkpoint: Checkpoint
    versions: dict[str, str]
    config: Config | None = None
    """Configuration of the run; None for converted weights, and for the configuration of another version."""
    sets: tuple[TrainingSet, ...] = ()
    tokenizer_type: str | None = None
    tokenizer_size: int | None = None
    rates: tuple[Rate, ...] = ()
    losses: tuple[Loss, ...] = ()
    loss_step: int | None = None
    start_weights: dict[str, Any] | None = None
    """Initial weights of the run: ``kind``, ``name`` and ``hash``."""
    missing: tuple[str, ...] = ()
    """What the card cannot contain, and why."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of LANGUAGES that the tokenizer's report measured or the name of a training set contains."""
        words = {rate.language for rate in self.rates}
        words |= {word for entry in self.sets for word in re.split(r"[^a-z]+", entry.name.lower())}
        return tuple(language for language in LANGUAGES if language in words)


def read_facts(folder: Path, name: str) -> Facts:
    """Facts about the checkpoint in ``folder``; ``name`` is the model's unless a run folder gives one."""
    checkpoint = Checkpoint.read(folder)
    versions = read_json(folder / MARKER).get("versions") or {}
    run = run_of(folder)
    if checkpoint.config is None:
        reason = "training: the weights were converted, and their checkpoint has no configuration"
        return Facts(name, checkpoint, versions, missing=(reason,))
    missing: list[str] = []
    manifest = _manifest(checkpoint, run, missing)
    report = _tokenizer_report(checkpoint, manifest, missing)
    records = _records(run, missing)
    sets = _known("data", missing, lambda: _sets(checkpoint.config or {}, manifest), ())
    rates, size = _known("tokenizer efficiency", missing, lambda: _rates(report), ((), None))
    losses, loss_step = _known("losses", missing, lambda: _losses(records, checkpoint.step), ((), None))
    if records and not losses:
        missing.append(f"losses: metrics.jsonl has no validation up to step {checkpoint.step:,}")
    return Facts(
        name=_name_of(run) if run is not None else name,
        checkpoint=checkpoint,
        versions=versions,
        config=_config(checkpoint.config, missing),
        sets=sets,
        tokenizer_type=report.get("type"),
        tokenizer_size=size,
        rates=rates,
        losses=losses,
        loss_step=loss_step,
        start_weights=_known("initial weights", missing, lambda: _start_weights(records), None),
        missing=tuple(missing),
    )


def _known(what: str, missing: list[str], read: Callable[[], T], without: T) -> T:
    """``read()``, or ``without`` when a file does not have the keys that it should have."""
    try:
        return read()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        missing.append(f"{what}: its file is damaged ({type(error).__name__}: {error})")
        return without


def _config(content: dict[str, Any], missing: list[str]) -> Config | None:
    try:
        return read_recorded(Config, content)
    except ValidationError as error:
        keys = [real_keys(item["loc"], content) for item in error.errors()[:3]]
        fields = ", ".join(".".join(map(str, parts)) for parts in keys)
        missing.append(f"training configuration: another version of megatron_ko wrote it ({fields})")
        return None


def run_of(folder: Path) -> Path | None:
    """Run folder of a checkpoint, None for a checkpoint that stands alone."""
    folder = folder.absolute()
    return folder.parent.parent if STEP.match(folder.name) and folder.parent.name == "checkpoints" else None


def _name_of(run: Path) -> str:
    """Name of a run; that of a job is the folder above ``train``."""
    return run.parent.name if run.name == "train" and run.parent.name else run.name


# --- data and tokenizer ----------------------------------------------------------------------------------


def _manifest(
    checkpoint: Checkpoint, run: Path | None, missing: list[str]
) -> tuple[Path, dict[str, Any]] | None:
    """The run's manifest, from where its configuration names it or from the folder of the job."""
    named = Path(str((checkpoint.config or {}).get("data", {}).get("manifest", ""))).expanduser()
    paths = [named] + ([run.parent / "data" / "manifest.json"] if run is not None else [])
    reason = f"no manifest at {named}"
    for path in paths:
        if not path.is_file():
            continue
        content = _read_object(path)
        if content is None or content.get("format") != MANIFEST_FORMAT:
            reason = f"{path} is damaged"
        elif not _is_about(content.get("tokenizer"), checkpoint):
            reason = f"{path} belongs to another tokenizer than the checkpoint"
        else:
            return path, content
    missing.append(f"data: {reason}")
    return None


def _is_about(tokenizer: Any, checkpoint: Checkpoint) -> bool:
    """True if an entry with a fingerprint is about the checkpoint's tokenizer."""
    return isinstance(tokenizer, dict) and tokenizer.get("fingerprint") == checkpoint.tokenizer_fingerprint


def _sets(config: dict[str, Any], found: tuple[Path, dict[str, Any]] | None) -> tuple[TrainingSet, ...]:
    if found is None:
        return ()
    manifest = found[1]
    shares: dict[str, float] = (config.get("data") or {}).get("mixture") or manifest["mixture"]
    total = sum(shares.values())
    entries = {entry["name"]: entry for entry in manifest["sets"] if entry["split"] == "train"}
    return tuple(
        TrainingSet(
            name,
            shares[name] / total,
            *(int(entries[name][k]) for k in ("documents", "tokens", "text_bytes")),
        )
        for name in entries
        if name in shares
    )


def _tokenizer_report(
    checkpoint: Checkpoint, manifest: tuple[Path, dict[str, Any]] | None, missing: list[str]
) -> dict[str, Any]:
    """``tokenizer_report.json`` beside the manifest, if it is about the checkpoint's tokenizer; otherwise {}."""
    if manifest is None:
        missing.append("tokenizer efficiency: the tokenizer_report.json stands beside the manifest")
        return {}
    path = manifest[0].parent / "tokenizer_report.json"
    report = _read_object(path) if path.is_file() else None
    if report is None:
        missing.append(f"tokenizer efficiency: no {path}, or it is damaged")
        return {}
    if not _is_about(report, checkpoint):
        missing.append(f"tokenizer efficiency: {path} is about another tokenizer")
        return {}
    return report


def _rates(report: dict[str, Any]) -> tuple[tuple[Rate, ...], int | None]:
    """Efficiency by language, and the number of pieces."""
    if not report:
        return (), None
    measured: dict[str, Any] = report["tokenizers"]["this"]
    rates = tuple(
        Rate(language, float(values["bytes_per_token"]), float(values["characters_per_token"]))
        for language, values in measured.items()
        if values["tokens"]
    )
    return rates, int(report["vocab_size"])


def _read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``; None if it is damaged or something else."""
    try:
        content = read_json(path)
    except DataError:
        return None
    return content if isinstance(content, dict) else None


# --- metrics ---------------------------------------------------------------------------------------------


def _records(run: Path | None, missing: list[str]) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl" if run is not None else None
    if path is None or not path.is_file():
        missing.append(f"losses: no {path}" if path else "losses: the checkpoint is not in a run folder")
        return []
    return list(read_metrics(path))


def _losses(records: list[dict[str, Any]], step: int) -> tuple[tuple[Loss, ...], int | None]:
    """Last validation up to ``step``, and its step; a validation of step 0 is the start of a continued run."""
    valid = [record for record in records if record.get("kind") == "valid" and record["step"] <= step]
    if not valid:
        return (), None
    last, first = valid[-1], valid[0]
    start = first if first["step"] == 0 and last["step"] > 0 else None
    losses = tuple(
        Loss(
            name,
            float(loss),
            float(last["bits_per_byte"][name]),
            (start["loss"][name], start["bits_per_byte"][name]) if start and name in start["loss"] else None,
        )
        for name, loss in last["loss"].items()
    )
    return losses, last["step"]


def _start_weights(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    start = next((record for record in records if record.get("kind") == "start"), {})
    weights = start.get("weights")
    if not weights:
        return None
    return {"kind": weights["kind"], "name": last_part(str(weights["path"])), "hash": weights["hash"]}
