"""What a run tells: one aligned line per report, ``metrics.jsonl`` always, TensorBoard and W&B when asked.

Owned by rank 0; on other ranks nothing is written.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from pathlib import Path
from typing import IO, Any

from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from megatron_ko.files import sha256_text
from megatron_ko.formats.run_folder import cut_metrics

log = logging.getLogger(__name__)


class Report:
    """Writes records of the kinds in ``docs/formats.md``."""

    def __init__(self, config: Config, resumed_step: int, writes: bool) -> None:
        self._file: IO[str] | None = None
        self._sinks: list[Any] = []
        if not writes:
            return
        folder = Path(config.run.folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        cut_metrics(folder / "metrics.jsonl", resumed_step)
        self._file = open(folder / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        if config.reporting.tensorboard:
            self._sinks.append(_TensorBoard(folder / "tensorboard", resumed_step))
        if config.reporting.wandb_project:
            self._sinks.append(_Wandb(config))

    def record(self, kind: str, step: int, **values: Any) -> None:
        """Appends one line to ``metrics.jsonl`` and prints it."""
        if self._file is None:
            return
        line = {"kind": kind, "time": round(time.time(), 3), "step": step, **values}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        for sink in self._sinks:
            sink.add(kind, step, values)
        text = _LINES[kind](step, values) if kind in _LINES else None
        if text:
            log.info(text)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        for sink in self._sinks:
            sink.close()


def _train_line(step: int, v: dict[str, Any]) -> str:
    return (
        f"step {step:>7,} | tokens {_short(v['tokens']):>7} | loss {v['loss']:8.4f} | lr {v['learning_rate']:.2e} | "
        f"grad norm {v['gradient_norm']:7.3f} | {_short(v['tokens_per_s']):>7} tok/s | {v['tflops']:8.3g} TFLOP/s | "
        f"MFU {v['mfu']:6.1%} | mem {v['memory_gib']:6.2f} GiB | ETA {_duration(v['eta_s'])}"
    )


def _valid_line(step: int, v: dict[str, Any]) -> str:
    parts = [f"{name} {v['loss'][name]:.4f} ({v['bits_per_byte'][name]:.4f} bits/byte)" for name in v["loss"]]
    return f"step {step:>7,} | validation | " + " | ".join(parts)


def _save_line(step: int, v: dict[str, Any]) -> str:
    return f"step {step:>7,} | saved {v['folder']} in {v['seconds']:.1f} s"


def _start_line(step: int, v: dict[str, Any]) -> str:
    return (
        f"start at step {step:,} | {v['parameters']:,} parameters | {v['world_size']} ranks | "
        f"peak {v['peak_tflops']:.4g} TFLOP/s per device ({v['peak_name']})"
    )


_LINES = {"train": _train_line, "valid": _valid_line, "save": _save_line, "start": _start_line}


def _short(number: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f}{letter}"
    return f"{number:.0f}"


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (f"{days}d " if days else "") + f"{hours:02d}:{minutes:02d}:{rest:02d}"


def _scalars(kind: str, values: dict[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update({f"{kind}/{name}/{k}": v for k, v in value.items() if isinstance(v, (int, float))})
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[f"{kind}/{name}"] = value
    return flat


class _TensorBoard:
    def __init__(self, folder: Path, resumed_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "reporting.tensorboard needs the package tensorboard; pip install tensorboard"
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=resumed_step + 1)

    def add(self, kind: str, step: int, values: dict[str, Any]) -> None:
        for name, value in _scalars(kind, values).items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, config: Config) -> None:
        try:
            import wandb
        except ImportError:
            raise ConfigError(
                "reporting.wandb_project needs the package wandb; pip install -e '.[wandb]'"
            ) from None
        folder = Path(config.run.folder).expanduser()
        self._run = wandb.init(
            project=config.reporting.wandb_project,
            name=folder.name,
            dir=str(folder),
            id=sha256_text(str(folder.resolve()))[:16],
            resume="allow",
            config=dataclasses.asdict(config),
        )

    def add(self, kind: str, step: int, values: dict[str, Any]) -> None:
        self._run.log(_scalars(kind, values), step=step)

    def close(self) -> None:
        self._run.finish()
