"""One rank's running training: everything that was built, and what can be done with it.

Owns the order of building (process group, model, weights, optimizer, data) and the counters of the run.
``train.py`` tells the story; each method here is one of its verbs. All methods are collective.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import to_yaml
from megatron_ko.errors import EXIT_DONE, EXIT_STOPPED, CheckpointError
from megatron_ko.files import sha256_file, sha256_text
from megatron_ko.formats.run_folder import Checkpoint, checkpoint_folder, remove_old_checkpoints, versions
from megatron_ko.formats.tokenizer_folder import copy_tokenizer_folder
from megatron_ko.plan import Preflight, mixture_of
from megatron_ko.planning.schedule import learning_rate
from megatron_ko.training import (
    checkpoint,
    data,
    distributed,
    evaluate,
    metrics,
    model,
    optimizer,
    reporting,
    step,
)
from megatron_ko.training.stop import StopRequest

log = logging.getLogger(__name__)


class Session:
    """Built from what preflight checked; ``done`` counts optimizer steps of the whole run."""

    def __init__(self, checked: Preflight, rank: int, init_method: str) -> None:
        self.checked, self.config, self.plan = checked, checked.config, checked.plan
        self.folder = Path(self.config.run.folder).expanduser()
        self.world = distributed.start(
            self.config.run, self.config.parallel, rank, self.plan.world_size, init_method
        )
        self._check_agreement()
        if self.world.is_main:  # the run's own copy: data may move while it runs
            copy_tokenizer_folder(checked.manifest.tokenizer_folder, self.folder / "tokenizer")
        self.wrapped = model.wrap(self._weights())
        self.optimizer = optimizer.build_optimizer(
            self.wrapped, self.config.optimizer, self.config.precision.dtype
        )
        step.connect(self.wrapped, self.optimizer)
        self.done, self.samples, self.tokens = self._resume()
        self.total_samples = (
            self.samples + (self.config.training.steps - self.done) * self.plan.global_batch_size
        )
        self.batches = self._data()
        self._start_reporting()
        distributed.on_any_rank(False, self.world.device)  # until all are here a request ends ranks at once
        self.request = StopRequest()
        self.stopped = False

    # --- building ----------------------------------------------------------------------------------------

    def _weights(self) -> Any:
        """The GPT of this rank: new weights, those of another checkpoint, or unset ones to resume into."""
        config, start, initial = self.config, self.checked.start, self.checked.initial
        gpt = model.build_gpt(
            config.model,
            config.parallel,
            config.precision,
            vocab_size=self.plan.vocab_size,
            device=self.world.device,
            seed=config.run.seed if start is None and initial is None else None,
        )
        if start is None and initial is not None:
            checkpoint.load_weights(initial, gpt)
        return gpt

    def _check_agreement(self) -> None:
        """Raises CheckpointError on every rank when ranks saw different checkpoints, data or configurations."""
        start, initial = self.checked.start, self.checked.initial
        seen = {
            "the checkpoint to resume": start.step if start else None,
            "the initial weights": initial.step if initial else None,
            "the data manifest": sha256_file(self.checked.manifest.path),
            "the configuration": sha256_text(to_yaml(self.config)),
        }
        for name, values in distributed.gathered(seen).items():
            if len(set(values)) > 1:
                raise CheckpointError(
                    f"{name} differs between ranks: {sorted(map(str, set(values)))}; wait until every host sees the "
                    "same files, then start again"
                )

    def _resume(self) -> tuple[int, int, int]:
        """Steps, samples and tokens already done."""
        start = self.checked.start
        if start is None:
            return 0, 0, 0
        checkpoint.resume(start, self.wrapped, self.optimizer, self.plan.layout, self.world.device.type)
        _warn_of_another_order(start, dataclasses.asdict(self.config))
        return start.step, start.samples, start.tokens

    def _data(self) -> Any:
        training, manifest = self.config.training, self.checked.manifest
        dataset = data.build_training_data(
            manifest,
            mixture_of(self.config, manifest),
            samples=self.total_samples,
            sequence_length=training.sequence_length,
            seed=self.config.run.seed,
            cache=self.folder / "index",
        )
        return data.training_batches(
            dataset,
            self.world,
            consumed=self.samples,
            total=self.total_samples,
            global_batch=training.global_batch_size,
            micro_batch=training.micro_batch_size,
            workers=self.config.data.workers,
        )

    def _start_reporting(self) -> None:
        plan = self.plan
        peak = metrics.peak_of(
            self.world.device, self.config.precision.dtype, self.config.reporting.peak_tflops
        )
        self.writer = reporting.Report(self.config, self.done, writes=self.world.is_main)
        self.writer.record(
            "start",
            self.done,
            world_size=plan.world_size,
            parameters=plan.parameters,
            tokens_per_step=plan.tokens_per_step,
            peak_tflops=peak.tflops,
            peak_name=peak.name,
            versions=versions(),
        )
        self.speed = metrics.Speed(plan.flops_per_token, plan.world_size, peak)

    # --- the verbs ---------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self.done >= self.config.training.steps

    @property
    def running(self) -> bool:
        return not self.finished and not self.stopped

    def is_due(self, every_steps: int) -> bool:
        """True every so many steps and after the last one."""
        return not self.running or self.done % every_steps == 0

    def step(self) -> tuple[step.StepResult, float]:
        """One optimizer step; returns its result and its learning rate."""
        training = self.config.training
        rate = learning_rate(
            self.config.schedule,
            self.config.optimizer.learning_rate,
            self.samples,
            self.total_samples,
            training.global_batch_size,
        )
        optimizer.set_hyperparameters(self.optimizer, self.config.optimizer, rate)
        result = step.train_step(
            self.wrapped,
            self.optimizer,
            self.batches,
            self.world,
            micro_batches=self.plan.micro_batches,
            micro_batch=training.micro_batch_size,
            length=training.sequence_length,
        )
        self.done += 1
        self.samples += self.plan.global_batch_size
        self.tokens += self.plan.tokens_per_step
        self.speed.add(self.plan.tokens_per_step)
        self.stopped = distributed.on_any_rank(self.request.reason is not None, self.world.device)
        return result, rate

    def report(self, result: step.StepResult, rate: float) -> None:
        plan = self.plan
        memory = distributed.largest(metrics.memory_gib(self.world.device), self.world.device)
        self.writer.record(
            "train",
            self.done,
            samples=self.samples,
            tokens=self.tokens,
            loss=result.loss,
            learning_rate=rate,
            gradient_norm=result.gradient_norm,
            **self.speed.lap((plan.steps - self.done) * plan.tokens_per_step),
            memory_gib=round(memory, 3),
        )

    def validate(self) -> None:
        result = evaluate.evaluate(
            self.wrapped, self.checked.manifest, self.world, self.config.training, self.config.evaluation
        )
        self.writer.record("valid", self.done, tokens=self.tokens, **result)
        self.speed.restart()

    def save(self) -> None:
        step.check_weights(self.wrapped, self.world)
        target = self._description()
        seconds = checkpoint.save(target, self.wrapped, self.optimizer, self.folder / "tokenizer")
        self.writer.record("save", self.done, folder=str(target.folder), seconds=round(seconds, 3))
        if self.world.is_main:
            remove_old_checkpoints(self.folder, self.config.checkpoint.keep)
        self.speed.restart()

    def end(self) -> int:
        """Closes everything; returns the exit code: stopped on request means that the run can go on."""
        self.writer.record("end", self.done, reason="done" if self.finished else "stopped")
        self.writer.close()
        distributed.on_any_rank(False, self.world.device)  # when one rank has ended, the others are ended
        distributed.stop()
        return EXIT_DONE if self.finished else EXIT_STOPPED

    def _description(self) -> Checkpoint:
        """What the checkpoint after this step says of itself."""
        config, plan = self.config, self.plan
        return Checkpoint(
            folder=checkpoint_folder(config.run.folder, self.done),
            step=self.done,
            samples=self.samples,
            tokens=self.tokens,
            model=config.model,
            vocab_size=plan.vocab_size,
            padded_vocab_size=plan.padded_vocab_size,
            tokenizer_fingerprint=self.checked.manifest.tokenizer_fingerprint,
            dtype=config.precision.dtype,
            optimizer=True,
            layout=plan.layout,
            config=dataclasses.asdict(config),
        )


def _warn_of_another_order(start: Checkpoint, now: dict[str, Any]) -> None:
    """megatron-core orders samples for a run of known length, mixture and seed: another one is another order."""
    before = start.config or {}
    for section, name in _ORDER:
        then, current = before.get(section, {}).get(name), now[section][name]
        if then != current:
            log.warning(
                "%s.%s was %s and is %s: the order of samples changes from here on, some may be seen again",
                section, name, then, current,
            )  # fmt: skip


_ORDER = (
    ("run", "seed"), ("training", "steps"), ("training", "global_batch_size"), ("training", "sequence_length"),
    ("data", "manifest"), ("data", "mixture"),
)  # fmt: skip
