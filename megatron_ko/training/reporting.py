"""Run reporting: aligned lines of at most 100 columns on the console, metrics.jsonl, and TensorBoard and W&B on request.

Only rank 0 writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.formats.checkpoint_folder import versions
from megatron_ko.formats.run_folder import cut_metrics, wandb_id
from megatron_ko.planning.position import Position
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.stages import Stage
from megatron_ko.tables import width_of, wrap
from megatron_ko.training import metrics
from megatron_ko.training.data import SampleOrder
from megatron_ko.training.distributed import World, largest
from megatron_ko.training.skipping import Divergence
from megatron_ko.training.step import StepResult
from megatron_ko.wording import format_count

log = logging.getLogger(__name__)
QUARANTINE = "quarantine.jsonl"
"""File in a run folder: the steps that were skipped, with their samples."""


class Records:
    """Writes records, whose kinds ``docs/formats.md`` lists."""

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
            self._sinks.append(_Wandb(config, resumed_step))

    def record(self, kind: str, step: int, **values: Any) -> None:
        """Appends a record to ``metrics.jsonl`` and logs it."""
        if self._file is None:
            return
        entry = {"kind": kind, "time": round(time.time(), 3), "step": step, **values}
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._file.flush()
        for sink in self._sinks:
            sink.add(kind, step, values)
        for line in _LINES[kind](step, values) if kind in _LINES else ():
            log.info(line)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        for sink in self._sinks:
            sink.close()


class Reporter:
    """Reports the events of one run and its speed between them. Every rank calls each method."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        world: World,
        position: Position,
        weights: dict[str, Any] | None = None,
    ) -> None:
        """``weights`` are the initial ones, if the run does not start from random ones or its own checkpoint."""
        self._plan, self._world, self._whole = plan, world, plan
        self._quarantine = Path(config.run.folder).expanduser() / QUARANTINE
        if world.is_main:
            cut_metrics(self._quarantine, position.step)
        peak = metrics.peak_of(world.device, config.precision, config.reporting.peak_tflops)
        self._records = Records(config, position.step, writes=world.is_main)
        self._records.record(
            "start",
            position.step,
            world_size=plan.world_size,
            parameters=plan.parameters,
            tokens_per_step=plan.tokens_per_step,
            peak_tflops=peak.tflops,
            peak_name=peak.name,
            weights=weights,
            versions=versions(),
        )
        self._speed = metrics.Speed(plan.flops_per_token, plan.world_size, peak)

    def begin_stage(self, stage: Stage, plan: Plan, position: Position) -> None:
        """Reports the steps that follow with the batches of ``plan``; records the stage in a run with stages."""
        self._plan = plan
        if stage.written is None or position.stage_step == stage.steps:
            return
        metrics.forget_peak_memory(self._world.device)
        self._speed = metrics.Speed(plan.flops_per_token, plan.world_size, self._speed.peak)
        self._records.record(
            "stage",
            position.step,
            number=stage.number,
            name=stage.name,
            steps=stage.steps,
            steps_done=position.stage_step,
            trainable=plan.trainable,
            trains=stage.describe(),
        )

    def count_step(self, position: Position) -> None:
        """Adds the tokens of the step that ended at ``position`` to the measured speed."""
        self._speed.add(position.step_samples * self._plan.sequence_length)

    def step(self, position: Position, result: StepResult, learning_rate: float) -> None:
        """Reports loss, gradient norm, learning rate, speed and the memory of the fullest rank. Collective."""
        device = self._world.device
        memory = largest(metrics.memory_gib(device), device)
        self._records.record(
            "train",
            position.step,
            samples=position.samples,
            tokens=position.tokens,
            loss=result.loss,
            learning_rate=learning_rate,
            gradient_norm=result.gradient_norm,
            **result.terms,
            **self._speed.lap(self._whole.tokens_after(position)),
            memory_gib=round(memory, 3),
        )

    def validation(self, position: Position, losses: dict[str, dict[str, float]] | None) -> bool:
        """Records a validation; returns False and records nothing if a stop request cut it short."""
        if losses is not None:
            self._records.record("valid", position.step, tokens=position.tokens, **losses)
        self._speed.restart()
        return losses is not None

    def save(self, position: Position, folder: Path, seconds: float) -> None:
        self._records.record("save", position.step, folder=str(folder), seconds=round(seconds, 3))
        self._speed.restart()

    def skip(self, position: Position, result: StepResult, order: SampleOrder) -> None:
        """Records a step that did not update the weights, with its samples, also in the quarantine file."""
        if not self._world.is_main:
            return
        facts = {
            "reason": result.skipped,
            "loss": _finite_or_name(result.loss),
            "gradient_norm": _finite_or_name(result.gradient_norm),
            **self._samples(position, order),
        }
        with open(self._quarantine, "a", encoding="utf-8") as file:
            file.write(
                json.dumps({"kind": "skip", "step": position.step, **facts}, ensure_ascii=False) + "\n"
            )
        self._records.record("skip", position.step, **facts)

    def _samples(self, position: Position, order: SampleOrder) -> dict[str, Any]:
        """Numbers within the stage of the samples of the step that ends at ``position``, and the documents in them."""
        first, last = position.stage_samples - position.step_samples, position.stage_samples
        return {
            "first_sample": first,
            "last_sample": last - 1,
            "documents": order.documents(first, last) if self._world.is_main else {},
        }

    @contextlib.contextmanager
    def divergences(self, position: Position, order: SampleOrder) -> Iterator[None]:
        """Records a Divergence of the step that ends at ``position``, with its samples, and raises it again."""
        try:
            yield
        except Divergence as error:
            self._records.record(
                "divergence",
                position.step,
                rule=error.rule,
                loss=_finite_or_name(error.loss),
                gradient_norm=_finite_or_name(error.gradient_norm),
                **self._samples(position, order),
            )
            raise

    def end(self, position: Position, finished: bool) -> None:
        self._records.record("end", position.step, reason="done" if finished else "stopped")
        if self._world.is_main and not finished:
            log.info("stopped on request at step %s; the same command continues", f"{position.step:,}")
        self._records.close()


def _finite_or_name(value: float | None) -> float | str | None:
    """JSON has no numbers that are not finite: they become ``nan``, ``inf`` or ``-inf``."""
    return value if value is None or math.isfinite(value) else str(value)


# --- console ---------------------------------------------------------------------------------------------

# The log adds "HH:MM:SS " to each line: 91 columns are left. Tokens and TFLOP/s are only in metrics.jsonl: both are
# multiples of other columns.
WIDTH = 100 - len("HH:MM:SS ")
LONGEST_NAME, LONGEST_DURATION = 30, 5
YEAR_S = 365.25 * 86400


def _start_lines(step: int, v: dict[str, Any]) -> list[str]:
    return [
        f"{'continuing' if step else 'starting'} at step {step:,}: {v['parameters']:,} parameters on "
        f"{format_count(v['world_size'], 'rank')}",
        *_weights_lines(v["weights"]),
        _cut(f"100% MFU is {v['peak_tflops']:.4g} TFLOP/s per device ({v['peak_name']})", WIDTH),
    ]


def _weights_lines(weights: dict[str, Any] | None) -> list[str]:
    """The initial weights: content hash, step of a checkpoint, and the end of the path where the line is full."""
    if weights is None:
        return []
    step = f", step {weights['step']:,}" if weights["kind"] == "checkpoint" else ""
    head, tail = "weights of ", f" ({weights['kind']}{step}, {weights['hash']})"
    path, room = weights["path"], WIDTH - len(head) - width_of(tail)
    while width_of(path) > room:
        path = "…" + path[2:]
    return [head + path + tail]


def _train_lines(step: int, v: dict[str, Any]) -> list[str]:
    left = _duration(v["eta_s"])
    width = WIDTH - max(0, LONGEST_DURATION - len(left))  # the same columns in all lines
    columns = [
        f"step {step:>7}",
        f"loss {_fixed(v['loss'], 6)}",
        f"grad {_fixed(v['gradient_norm'], 5)}",
        f"lr {_scientific(v['learning_rate']):>6}",
        f"{_short(v['tokens_per_s']):>5} tok/s",
        f"MFU {_fixed(100 * v['mfu'], 3)}%",
        f"{_fixed(v['memory_gib'], 3)} GiB",
        f"ETA {left}",
    ]
    if "z_loss" in v:
        columns.insert(2, f"z {_scientific(v['z_loss'], 0)}")
    if "hidden_states" in v:
        columns.insert(1, f"hid {_fixed(v['hidden_states'], 5)}")
    if "distillation" in v:
        columns.insert(1, f"div {_fixed(v['distillation'], 6)}")
    for name in ("GiB", "MFU", "lr "):  # metrics.jsonl has them, too
        if len(" ".join(columns)) > width:
            columns = [column for column in columns if name not in column]
    return [_cut(_join(columns, width), WIDTH)]


def _skip_lines(step: int, v: dict[str, Any]) -> list[str]:
    values = f"loss {float(v['loss']):.4g}, grad {float(v['gradient_norm']):.4g}"
    return [f"step {step:>7}  skipped: {v['reason']}, {values} ({QUARANTINE})"]


def _join(columns: list[str], width: int) -> str:
    """Columns two blanks apart, or one where the line would not fit."""
    line = "  ".join(columns)
    return line if len(line) <= width else " ".join(columns)


def _cut(text: str, width: int) -> str:
    return text if width_of(text) <= width else wrap(text, width=width - 1)[0] + "…"


def _valid_lines(step: int, v: dict[str, Any]) -> list[str]:
    """One line per validation set, each aligned with the others."""
    names = {name: _cut(name, LONGEST_NAME) for name in v["loss"]}
    width = max(map(len, names.values()), default=0)
    return [
        f"step {step:>7}  valid {names[name]:<{width}}  loss {_fixed(loss, 6)}  "
        f"{_fixed(v['bits_per_byte'][name], 6)} bits/byte"
        for name, loss in v["loss"].items()
    ]


def _save_lines(step: int, v: dict[str, Any]) -> list[str]:
    return [f"step {step:>7}  saved checkpoints/{Path(v['folder']).name} in {v['seconds']:.1f} s"]


def _stage_lines(step: int, v: dict[str, Any]) -> list[str]:
    done = f", {v['steps_done']:,} done" if v["steps_done"] else ""
    text = f"stage {v['name']}: {format_count(v['steps'], 'step')}{done}, {v['trainable']:,} parameters train ({v['trains']})"
    return [_cut(f"step {step:>7}  {text}", WIDTH)]


_LINES = {
    "start": _start_lines,
    "stage": _stage_lines,
    "train": _train_lines,
    "valid": _valid_lines,
    "save": _save_lines,
    "skip": _skip_lines,
}


def _fixed(number: float, width: int) -> str:
    """Formats a number with as many decimals as fit into ``width`` characters."""
    for decimals in range(width - 2, -1, -1):
        text = f"{number:.{decimals}f}"
        if len(text) <= width:
            return text.rjust(width)
    return _scientific(number, 0).rjust(width)


def _scientific(number: float, decimals: int = 1) -> str:
    mantissa, _, exponent = f"{number:.{decimals}e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _short(number: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{_fixed(number / size, 4).strip()}{letter}"
    return f"{number:.0f}"


def _duration(seconds: float) -> str:
    """Formats a duration in at most five characters: 59s, 4m05s, 45m, 3h04m, 17h, 1d23h, 12d, 120y; ? if unknown."""
    if not seconds < 1000 * YEAR_S:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days >= 10_000:
        return f"{seconds / YEAR_S:.0f}y"
    if days:
        return f"{days}d{hours:02d}h" if days < 10 else f"{days}d"
    if hours:
        return f"{hours}h{minutes:02d}m" if hours < 10 else f"{hours}h"
    if minutes:
        return f"{minutes}m{rest:02d}s" if minutes < 10 else f"{minutes}m"
    return f"{rest}s"


# --- sinks -----------------------------------------------------------------------------------------------


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
            message = "true needs the package tensorboard, which cannot be imported; pip install tensorboard"
            raise ConfigError([Problem("", "reporting.tensorboard", message, "packages-installed")]) from None
        self._writer = SummaryWriter(str(folder), purge_step=resumed_step + 1)

    def add(self, kind: str, step: int, values: dict[str, Any]) -> None:
        for name, value in _scalars(kind, values).items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, config: Config, resumed_step: int) -> None:
        try:
            import wandb
        except ImportError:
            message = "needs the package wandb, which cannot be imported; pip install wandb"
            raise ConfigError(
                [Problem("", "reporting.wandb_project", message, "packages-installed")]
            ) from None
        folder = Path(config.run.folder).expanduser()
        self._run = wandb.init(
            project=config.reporting.wandb_project,
            name=folder.name,
            dir=str(folder),
            id=wandb_id(folder, resumed_step),
            resume="allow",
            config=dataclasses.asdict(config),
        )

    def add(self, kind: str, step: int, values: dict[str, Any]) -> None:
        self._run.log(_scalars(kind, values), step=step)

    def close(self) -> None:
        self._run.finish()
