"""All arithmetic of a run, computed once and printed before anything starts.

Owns ``Plan.of``, ``preflight`` (every check that needs no torch, in one call) and ``mko plan``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config import cli
from megatron_ko.config.loading import Loaded, load, to_yaml
from megatron_ko.config.manual import manual
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, DataError, Problem, exit_code_of
from megatron_ko.files import locked_folder, sha256_file, sha256_text, write_text
from megatron_ko.formats.checkpoint_folder import Checkpoint, check_fits
from megatron_ko.formats.manifest import Manifest, check_tokens, read_manifest
from megatron_ko.formats.run_folder import checkpoint_folder, folder_problem, newest_checkpoint, start_of_run
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder, read_tokenizer_folder
from megatron_ko.planning import flops, memory
from megatron_ko.planning.config_rules import data_problems, layout_rules
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.planning.position import Position
from megatron_ko.planning.weights import padded_vocab_size, parameter_count
from megatron_ko.wording import format_count


@dataclass(frozen=True)
class SetShare:
    """One training set in this run: share of the tokens, tokens drawn, passes over the set."""

    name: str
    share: float
    tokens: int
    epochs: float


@dataclass(frozen=True)
class Plan:
    """Arithmetic of a run. Batches in sequences (``samples``), memory in bytes."""

    world_size: int
    tensor: int
    pipeline: int
    context: int
    data: int
    micro_batches: int
    global_batch_size: int
    sequence_length: int
    steps: int
    vocab_size: int
    padded_vocab_size: int
    parameters: int
    flops_per_token: float
    memory: memory.RankMemory
    shares: tuple[SetShare, ...]

    @property
    def tokens_per_step(self) -> int:
        return self.global_batch_size * self.sequence_length

    @property
    def total_samples(self) -> int:
        return self.steps * self.global_batch_size

    @property
    def total_tokens(self) -> int:
        return self.steps * self.tokens_per_step

    @property
    def layout(self) -> dict[str, int]:
        names = ("world_size", "tensor", "pipeline", "context", "data")
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def of(config: Config, world_size: int, manifest: Manifest | None = None) -> Plan:
        """Computes the plan of ``config``, which has passed ``layout_rules(world_size)``.

        Raises ConfigError if neither a manifest nor model.vocab_size gives the vocabulary.
        """
        vocab_size = manifest.vocab_size if manifest else config.model.vocab_size
        if vocab_size is None:
            raise ConfigError(
                [
                    Problem(
                        "",
                        "model.vocab_size",
                        "missing; give the size of the vocabulary, because there is no data manifest",
                        "missing",
                    )
                ]
            )
        parallel, training = config.parallel, config.training
        data = world_size // (parallel.tensor * parallel.pipeline * parallel.context)
        padded = padded_vocab_size(vocab_size, config.model.vocab_multiple)
        micro_batches = training.global_batch_size // (training.micro_batch_size * data)
        return Plan(
            world_size=world_size,
            tensor=parallel.tensor,
            pipeline=parallel.pipeline,
            context=parallel.context,
            data=data,
            micro_batches=micro_batches,
            global_batch_size=training.global_batch_size,
            sequence_length=training.sequence_length,
            steps=training.steps,
            vocab_size=vocab_size,
            padded_vocab_size=padded,
            parameters=parameter_count(config.model, vocab_size),
            flops_per_token=flops.flops_per_token(config.model, padded, training.sequence_length),
            memory=memory.rank_memory(
                config.model,
                parallel,
                padded_vocab_size=padded,
                data_parallel=data,
                micro_batch_size=training.micro_batch_size,
                micro_batches=micro_batches,
                sequence_length=training.sequence_length,
                bytes_per_weight=2 if config.precision.dtype == "bf16" else 4,
            ),
            shares=_shares(config, manifest) if manifest else (),
        )

    def text(self) -> str:
        """The plan in lines for people, without colors."""
        gib = 2**30
        used = self.memory
        lines = [
            f"ranks        {self.world_size} = tensor {self.tensor} x pipeline {self.pipeline} x context {self.context} "
            f"x data {self.data}",
            f"model        {self.parameters:,} parameters, vocabulary {self.vocab_size:,} (padded {self.padded_vocab_size:,})",
            f"batch        {format_count(self.global_batch_size, 'sequence')} x {format_count(self.sequence_length, 'token')} = "
            f"{self.tokens_per_step:,} tokens per step, {format_count(self.micro_batches, 'micro-batch')}",
            f"run          {format_count(self.steps, 'step')}, {self.total_tokens:,} tokens, "
            f"{self.total_tokens * self.flops_per_token:.3g} FLOPs",
            f"memory       {used.total_bytes / gib:.2f} GiB on the fullest rank, closed form, without buffers and "
            f"fragmentation",
            f"             weights {used.weights_bytes / gib:.2f}, gradients {used.gradients_bytes / gib:.2f}, optimizer {used.optimizer_bytes / gib:.2f}, "
            f"activations {used.activations_bytes / gib:.2f}",
        ]
        for number, item in enumerate(self.shares):
            head = "data        " if number == 0 else "            "
            lines.append(
                f"{head} {item.name:<12} {item.share:6.1%}  {item.tokens:>15,} tokens  {item.epochs:8.2f} epochs"
            )
        return "\n".join(lines) + "\n"


def mixture_of(config: Config, manifest: Manifest) -> dict[str, float]:
    """Share of each training set, sorted by name; they sum to 1."""
    weights = config.data.mixture or manifest.mixture
    total = sum(weights.values())
    return {name: weights[name] / total for name in sorted(weights)}


def _shares(config: Config, manifest: Manifest) -> tuple[SetShare, ...]:
    train = manifest.of_split("train")
    total = config.training.steps * config.training.global_batch_size * config.training.sequence_length
    return tuple(
        SetShare(name, share, round(share * total), share * total / train[name].tokens)
        for name, share in mixture_of(config, manifest).items()
    )


# --- before anything starts ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preflight:
    """A run that may start: it has passed every check that needs no torch."""

    config: Config
    manifest: Manifest
    plan: Plan
    start: Checkpoint | None
    """Checkpoint the run continues from, or None."""
    initial: Checkpoint | None
    """Checkpoint whose weights start a new run, or None."""

    @property
    def run_folder(self) -> Path:
        return Path(self.config.run.folder).expanduser()

    @property
    def is_new(self) -> bool:
        """Whether the run starts from random weights."""
        return self.start is None and self.initial is None

    @property
    def is_finished(self) -> bool:
        """Whether the newest checkpoint has all steps of the plan."""
        return self.start is not None and self.start.step >= self.plan.steps

    def nothing_to_do(self) -> str:
        """Message for a finished run that is started again."""
        start = self.start
        assert start is not None
        return (
            f"nothing to do: {self.run_folder} has all of {format_count(self.plan.steps, 'step')} ({start.folder.name})\n"
            f"  to continue, raise training.steps, such as training.steps={2 * self.plan.steps}\n"
            "  to train anew, choose another run.folder"
        )

    def shared_facts(self) -> dict[str, Any]:
        """Facts that all ranks must agree on before they build anything."""
        return {
            "the checkpoint to resume": self.start.step if self.start else None,
            "the initial weights": self.initial.step if self.initial else None,
            "the data manifest": sha256_file(self.manifest.path),
            "the configuration": sha256_text(to_yaml(self.config)),
        }

    @contextlib.contextmanager
    def lock_run_folder(self) -> Iterator[None]:
        """Writes and locks the run folder while the run lasts: a second run in it would overwrite the first."""
        with locked_folder(self.run_folder):
            write_text(self.run_folder / "config.yaml", to_yaml(self.config))
            write_text(self.run_folder / "plan.txt", self.plan.text())
            yield

    def checkpoint_at(self, position: Position) -> Checkpoint:
        """Description of the checkpoint that the run writes at ``position``."""
        return Checkpoint(
            folder=checkpoint_folder(self.config.run.folder, position.step),
            step=position.step,
            samples=position.samples,
            tokens=position.tokens,
            model=self.config.model,
            vocab_size=self.plan.vocab_size,
            padded_vocab_size=self.plan.padded_vocab_size,
            tokenizer_fingerprint=self.manifest.tokenizer_fingerprint,
            dtype=self.config.precision.dtype,
            optimizer=True,
            layout=self.plan.layout,
            config=dataclasses.asdict(self.config),
        )


def preflight(files: Sequence[str], overrides: Sequence[str], world_size: int) -> Preflight:
    """Checks a run before it starts. Raises ConfigError, DataError or CheckpointError (exit code 2)."""
    return check_run(load(Config, files, overrides, layout_rules(world_size)), world_size)


def check_run(loaded: Loaded[Config], world_size: int) -> Preflight:
    """``preflight`` of a configuration that was loaded with the rules for ``world_size`` ranks."""
    config = loaded.config
    if problem := folder_problem(config.run.folder):
        raise ConfigError([loaded.problem("run.folder", problem, "folder-not-writable")])
    manifest = check_manifest(loaded)
    plan = Plan.of(config, world_size, manifest)
    for package, why in (("psutil", "megatron-core cannot save without it"),):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"the package {package} is not installed: {why}; pip install -r requirements.txt",
                rule="missing-package",
            )
    start, initial = find_weights(config, plan.vocab_size, manifest.tokenizer_fingerprint)
    return Preflight(config, manifest, plan, start, initial)


def find_weights(
    config: Config, vocab_size: int, tokenizer_fingerprint: str | None
) -> tuple[Checkpoint | None, Checkpoint | None]:
    """The checkpoint that the run continues from, and the one whose weights start it; at most one of both.

    Raises CheckpointError where one does not fit the model, the vocabulary or this megatron-core. Without a fingerprint
    the tokenizer is not compared.
    """
    start = start_of_run(config)
    weights = config.checkpoint.initial_weights
    initial = newest_checkpoint(weights) if weights and start is None else None
    for checkpoint in (start, initial):
        if checkpoint:
            check_fits(checkpoint, config.model, vocab_size, tokenizer_fingerprint)
            check_loadable(checkpoint)
    return start, initial


def check_manifest(loaded: Loaded[Config]) -> Manifest:
    """Reads the data manifest; raises unless manifest, token files, tokenizer and configuration fit each other."""
    config = loaded.config
    manifest = read_manifest(config.data.manifest)
    problems = list(data_problems(config.data, config.model, manifest))
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])
    tokenizer = read_tokenizer_folder(manifest.tokenizer_folder)
    if tokenizer.fingerprint != manifest.tokenizer_fingerprint:
        raise DataError(
            f"{manifest.path}: was encoded with tokenizer {manifest.tokenizer_fingerprint[:19]}, but {manifest.tokenizer_folder} "
            f"is {tokenizer.fingerprint[:19]}; encode the data again",
            rule="tokenizer-mismatch",
        )
    content = fingerprint_hf_folder(manifest.tokenizer_folder, tokenizer.fingerprint).fingerprint
    if content != tokenizer.fingerprint:
        raise DataError(
            f"{manifest.tokenizer_folder / 'tokenizer.json'}: its content is {content[:19]}, its fingerprint.json says "
            f"{tokenizer.fingerprint[:19]}: edited or damaged; train the tokenizer again or restore it",
            rule="tokenizer-changed",
        )
    check_tokens(manifest)
    return manifest


def train_parser(command: str, description: str) -> cli.Parser:
    """Parser of a command about a training configuration; its help is the manual of every field."""
    made = cli.config_parser(
        command, description, "configuration fields (later files and overrides win):\n\n" + manual(Config)
    )
    cli.add_inspection(made, "check configuration and data, print the plan and stop")
    return made


def parser() -> cli.Parser:
    made = train_parser("plan", main.__doc__ or "")
    made.add_argument(
        "--world-size",
        type=cli.positive,
        metavar="N",
        help="ranks to plan for (default: tensor x pipeline x context)",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks a configuration and prints its plan; starts nothing and needs no GPU."""
    return exit_code_of(lambda: show_plan(parser().parse(arguments)))


def show_plan(arguments: Any, world_size: int | None = None, command: str = "plan") -> int:
    """Prints the configuration (``--print-config``) or the plan for ``--world-size`` ranks, or ``world_size``, as ``command``.

    Without either, it plans for the ranks of one model: tensor x pipeline x context.

    Checks what a run would check. The data may be missing when the configuration gives the vocabulary.
    """
    files, overrides = cli.split(arguments.config)
    cli.require_configuration(arguments.config, command)
    ranks = arguments.world_size or (None if arguments.print_config else world_size)
    loaded = load(Config, files, overrides, layout_rules(ranks))
    if arguments.print_config:
        print(to_yaml(loaded.config), end="")
        return 0
    if ranks is None:
        layout = loaded.config.parallel
        ranks = layout.tensor * layout.pipeline * layout.context
        loaded = load(Config, files, overrides, layout_rules(ranks))
    data_is_missing = not Path(loaded.config.data.manifest).expanduser().exists()
    if loaded.config.model.vocab_size and data_is_missing:
        plan = Plan.of(loaded.config, ranks)
        find_weights(loaded.config, plan.vocab_size, None)
        print(plan.text(), end="")
        return 0
    checked = check_run(loaded, ranks)
    print(checked.plan.text(), end="")
    if checked.is_finished:
        print(checked.nothing_to_do())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
