"""The steps before and after the training of one ``mko submit``: data, conversion, evaluation, each a job of its own.

Owns their programs and dependencies. ``script`` renders them, ``submit`` submits the training between them.
"""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.config import cli
from megatron_ko.config.loading import load, to_yaml
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, UsageError
from megatron_ko.files import write_text
from megatron_ko.operations import slurm_client
from megatron_ko.operations.cluster import Cluster
from megatron_ko.operations.script import render_step


@dataclass(frozen=True)
class Step:
    """One job: its Python program, and how many tasks of an array run it (0: no array)."""

    name: str
    program: tuple[str, ...]
    tasks: int = 0
    gpus: int = 0


def add_options(parser: cli.Parser) -> None:
    add = parser.add_argument
    add(
        "--data",
        metavar="DATA.yaml",
        help="prepare the data first: a job of 'mko data run', which the training waits for",
    )
    add(
        "--data-tasks",
        type=cli.bounded(1, 1000),
        metavar="N",
        default=1,
        help="tasks of the array that prepares the data (default: 1)",
    )
    add(
        "--convert",
        metavar="FOLDER",
        help="after the training, export it to Hugging Face format and verify the export",
    )
    add("--evaluate", metavar="TASKS", help="after the conversion, score these tasks of lm-eval, such as kobest_boolq,kmmlu")  # fmt: skip


def check_options(given: argparse.Namespace, config: Config, cluster: Cluster) -> None:
    """Raises UsageError or ConfigError for steps that cannot follow each other."""
    if given.evaluate and not given.convert:
        raise UsageError("--evaluate needs --convert FOLDER, the model that is scored", rule="usage")
    if given.evaluate and not all(part.replace("_", "").isalnum() for part in given.evaluate.split(",")):
        raise UsageError(
            f"--evaluate {given.evaluate!r}: write names of tasks with commas between them", rule="usage"
        )
    if given.evaluate and cluster.runtime == "venv" and importlib.util.find_spec("lm_eval") is None:
        raise ConfigError(
            "--evaluate needs the package lm_eval; pip install -e '.[eval]'", rule="missing-package"
        )
    if given.convert and Path(given.convert).expanduser().exists():
        raise ConfigError(f"--convert {given.convert}: already exists; choose another folder", rule="exists")
    if given.data:
        _check_data(given.data, config)


def _check_data(path: str, config: Config) -> None:
    """Checks the configuration of the data, and that the training reads what it writes."""
    from preprocessing.config import pipeline

    data = load(pipeline.Config, [path], [], pipeline.RULES).config
    written = (Path(data.output.folder).expanduser() / "manifest.json").absolute()
    read = Path(config.data.manifest).expanduser().absolute()
    if written != read:
        raise ConfigError(
            f"--data {path} writes {written}, but data.manifest is {read}; correct one of them",
            rule="other-manifest",
        )


def write_data_config(folder: Path, path: str) -> Path:
    """Writes the resolved configuration of the data into the job folder, where later edits do not reach it."""
    from preprocessing.config import pipeline

    target = folder / "data.yaml"
    write_text(target, to_yaml(load(pipeline.Config, [path], [], pipeline.RULES).config))
    return target


def data_step(folder: Path, tasks: int, workers: int) -> Step:
    start = str(folder / "code" / "start.py")
    words = (start, "preprocessing.__main__", "run", str(folder / "data.yaml"))
    return Step("data", (*words, "--runner", "slurm", "--workers", str(workers)), tasks)


def later_steps(given: argparse.Namespace, folder: Path, run: Path, gpus: int) -> list[Step]:
    """Conversion and evaluation, in this order; the latter on one of the ``gpus`` of a node."""
    if not given.convert:
        return []
    target = str(Path(given.convert).expanduser().absolute())
    start = str(folder / "code" / "start.py")
    steps = [Step("convert", (start, "checkpoint_tools.__main__", "to-hf", str(run), target))]
    if given.evaluate:
        output = str(run / "evaluation")
        program = (
            "-m",
            "lm_eval",
            "--model",
            "hf",
            "--model_args",
            f"pretrained={target}",
            "--tasks",
            given.evaluate,
        )
        steps.append(Step("evaluate", (*program, "--output_path", output), gpus=min(1, gpus)))
    return steps


def submit_step(
    step: Step, folder: Path, run: Path, cluster: Cluster, name: str, python: str, after: str | None
) -> str:
    """Submits a step, which starts after job ``after`` has ended well, and is canceled if it cannot. Returns its id."""
    script = folder / f"{step.name}.sh"
    write_text(
        script,
        render_step(cluster, f"{name}-{step.name}", step.tasks, step.gpus, Path.cwd(), python, step.program),
    )
    dependency = [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"] if after else []
    return slurm_client.submit(str(script), [f"--chdir={run}", *dependency])
