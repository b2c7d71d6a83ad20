"""Run reporting: one aligned line per report, ``metrics.jsonl`` always, TensorBoard and W&B when asked.

Rank 0 writes; on other ranks nothing is written.
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
from megatron_ko.formats.checkpoint_folder import versions
from megatron_ko.formats.run_folder import cut_metrics
from megatron_ko.plan import Plan
from megatron_ko.planning.position import Position
from megatron_ko.training import metrics
from megatron_ko.training.distributed import World, largest
from megatron_ko.training.step import StepResult

log = logging.getLogger(__name__)


class Records:
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


class Reporter:
    """Reports the events of one run, with its speed between them. Every rank calls each method."""

    def __init__(self, config: Config, plan: Plan, world: World, position: Position) -> None:
        self._plan, self._world = plan, world
        peak = metrics.peak_of(world.device, config.precision.dtype, config.reporting.peak_tflops)
        self._records = Records(config, position.step, writes=world.is_main)
        self._records.record(
            "start",
            position.step,
            world_size=plan.world_size,
            parameters=plan.parameters,
            tokens_per_step=plan.tokens_per_step,
            peak_tflops=peak.tflops,
            peak_name=peak.name,
            versions=versions(),
        )
        self._speed = metrics.Speed(plan.flops_per_token, plan.world_size, peak)

    def count_step(self) -> None:
        """Counts the tokens of one step towards the speed."""
        self._speed.add(self._plan.tokens_per_step)

    def step(self, position: Position, result: StepResult, rate: float) -> None:
        """Loss, gradient norm, learning ``rate``, speed and the memory of the fullest rank. Collective."""
        device, plan = self._world.device, self._plan
        memory = largest(metrics.memory_gib(device), device)
        self._records.record(
            "train",
            position.step,
            samples=position.samples,
            tokens=position.tokens,
            loss=result.loss,
            learning_rate=rate,
            gradient_norm=result.gradient_norm,
            **self._speed.lap((plan.steps - position.step) * plan.tokens_per_step),
            memory_gib=round(memory, 3),
        )

    def validation(self, position: Position, losses: dict[str, dict[str, float]]) -> None:
        self._records.record("valid", position.step, tokens=position.tokens, **losses)
        self._speed.restart()

    def save(self, position: Position, folder: Path, seconds: float) -> None:
        self._records.record("save", position.step, folder=str(folder), seconds=round(seconds, 3))
        self._speed.restart()

    def end(self, position: Position, finished: bool) -> None:
        self._records.record("end", position.step, reason="done" if finished else "stopped")
        self._records.close()


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
