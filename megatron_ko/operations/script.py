"""The batch scripts: of a training job from the template ``job.sh``, of a step before or after it from ``step.sh``.

Owns the place of every value in it. Values reach the shell quoted, and Slurm only in options whose alphabet ``cluster``
bounds; the run folder reaches Slurm as an argument of its own.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import ConfigError
from megatron_ko.operations.cluster import Cluster

TEMPLATE = Path(__file__).resolve().parent / "job.sh"
STEP_TEMPLATE = Path(__file__).resolve().parent / "step.sh"
_PLACE = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True)
class Shape:
    """What the submitter chose for one job."""

    nodes: int
    ranks_per_node: int
    gpus_per_node: int
    time: str
    hang_s: int
    preflight: bool


def job_name(run: Path) -> str:
    """Name of the jobs of a run, the same for each submission: letters of the folder's name, and a hash of its path."""
    letters = re.sub(r"[^A-Za-z0-9_.-]+", "-", run.name).strip("-.")[:40] or "run"
    return f"{letters}-{hashlib.sha256(str(run).encode()).hexdigest()[:6]}"


def render(cluster: Cluster, shape: Shape, run: Path, job: Path, working_folder: Path, python: str) -> str:
    """The script as text. ``run``, ``job`` and ``working_folder`` are absolute. Raises ConfigError for a path with control
    characters."""
    for path in (run, working_folder):
        if not str(path).isprintable():
            raise ConfigError(
                f"{str(path)!r}: contains a control character; choose another path", rule="path"
            )
    code = job / "code"
    values = {
        "DIRECTIVES": "\n".join(f"#SBATCH {option}" for option in options_of(cluster, shape, job_name(run))),
        "RUN": shlex.quote(str(run)),
        "JOB": shlex.quote(str(job)),
        "WORKING_FOLDER": shlex.quote(str(working_folder)),
        "PYTHON": shlex.quote(python),
        "START": shlex.quote(str(code / "start.py")),
        "VARIABLES": "\n".join(_variables(cluster)),
        "MODULES": "\n".join(f"module load {shlex.quote(name)}" for name in cluster.modules.split()),
        "ONCE": _once(cluster, 1),
        "EXCLUDE": shlex.quote(cluster.exclude),
        "CONTAINER": _pyxis(cluster),
        "PREFIX": _apptainer(cluster).replace("'", "'\\''"),  # inside the quoted text of bash -c
        "PREFLIGHT": "yes" if shape.preflight else "no",
        "HANG_S": str(shape.hang_s),
        "LAUNCHER": cluster.launcher,
        "RANKS_PER_NODE": str(shape.ranks_per_node),
    }
    return _PLACE.sub(lambda match: values[match[1]], TEMPLATE.read_text(encoding="utf-8"))


def render_step(
    cluster: Cluster,
    name: str,
    tasks: int,
    gpus: int,
    working_folder: Path,
    python: str,
    program: Sequence[str],
) -> str:
    """The script of a step on one node, or with ``tasks`` above 0 in an array. ``program`` are the arguments of Python."""
    shape = Shape(1, 1, gpus, cluster.time, 0, False)
    options = [option for option in options_of(cluster, shape, name) if not option.startswith("--signal=")]
    values = {
        "DIRECTIVES": "\n".join(
            f"#SBATCH {option}" for option in [*options, *([f"--array=0-{tasks - 1}"] if tasks else [])]
        ),
        "WORKING_FOLDER": shlex.quote(str(working_folder)),
        "VARIABLES": "\n".join(_variables(cluster)),
        "MODULES": "\n".join(f"module load {shlex.quote(name)}" for name in cluster.modules.split()),
        "ONCE": _once(cluster, cluster.cpus_per_rank),
        "PYTHON": shlex.quote(python),
        "PROGRAM": " ".join(map(shlex.quote, program)),
    }
    return _PLACE.sub(lambda match: values[match[1]], STEP_TEMPLATE.read_text(encoding="utf-8"))


def options_of(cluster: Cluster, shape: Shape, name: str) -> list[str]:
    """Options of ``sbatch``, as the lines at the top of the script have them."""
    optional = {
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "reservation": cluster.reservation,
        "constraint": cluster.constraint,
        "exclude": cluster.exclude,
        "mem": cluster.memory,
    }
    ranks_per_task = shape.ranks_per_node if cluster.launcher == "torchrun" else 1
    gpus = {"gpus-per-node": "--gpus-per-node={}", "gres": "--gres=gpu:{}"}.get(cluster.gpu_request, "")
    return [
        f"--job-name={name}",
        f"--nodes={shape.nodes}",
        f"--ntasks-per-node={shape.ranks_per_node // ranks_per_task}",
        f"--cpus-per-task={cluster.cpus_per_rank * ranks_per_task}",
        *([gpus.format(shape.gpus_per_node)] if gpus and shape.gpus_per_node else []),
        *(f"--{option}={value}" for option, value in optional.items() if value),
        *(["--exclusive"] if cluster.exclusive == "yes" else []),
        f"--time={shape.time}",
        f"--signal=USR1@{cluster.save_before_s}",
        "--requeue",
        "--open-mode=append",
        "--output=logs/%x-%j.log",
    ]


def _variables(cluster: Cluster) -> list[str]:
    values = dict(cluster.variables)
    if cluster.interface:
        values = {"NCCL_SOCKET_IFNAME": cluster.interface, "GLOO_SOCKET_IFNAME": cluster.interface, **values}
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())]


def _pyxis(cluster: Cluster) -> str:
    if cluster.runtime != "pyxis":
        return ""
    mounts = ",".join(f"{path}:{path}" for path in cluster.mounts.split(",") if path)
    options = [f"--container-image={cluster.image}"] + ([f"--container-mounts={mounts}"] if mounts else [])
    return " ".join(map(shlex.quote, options))


def _apptainer(cluster: Cluster) -> str:
    if cluster.runtime != "apptainer":
        return ""
    mounts = [word for path in cluster.mounts.split(",") if path for word in ("--bind", path)]
    gpu = ["--nv"] if cluster.gpus_per_node else []
    return " ".join(map(shlex.quote, ["apptainer", "exec", *gpu, *mounts, cluster.image]))


def _once(cluster: Cluster, cpus: int) -> str:
    """What goes before the interpreter where the script itself starts it: a container, or nothing."""
    if cluster.runtime == "pyxis":
        return f"srun --overlap --nodes=1 --ntasks=1 --cpus-per-task={cpus} {_pyxis(cluster)}"
    return _apptainer(cluster)
