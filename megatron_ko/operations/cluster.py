"""``cluster.env``: everything about a site, as ``NAME=VALUE`` lines that are read and never executed.

Owns the names, their bounds, and the variables of libraries that jobs may set. ``script`` quotes every value.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from megatron_ko.config.fields import section
from megatron_ko.config.loading import in_plain_words
from megatron_ko.config.suggestions import nearest_name
from megatron_ko.errors import ConfigError, Problem

Words = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,:&|+/\[\]-]*$", max_length=1000)]
TimeLimit = Annotated[str, Field(pattern=r"^(\d{1,3}-\d{1,2}(:\d{2}){0,2}|\d{1,4}(:\d{2}){0,2})$")]
Memory = Annotated[str, Field(pattern=r"^(\d{1,9}[KMGT]?)?$")]
Count = Annotated[int, Field(ge=0, le=1024)]

VARIABLES = (
    "NCCL_", "GLOO_", "TORCH_", "PYTORCH_", "CUDA_", "NVTE_", "UCX_", "FI_", "SHARP_", "OMP_", "MKL_", "HF_HUB_OFFLINE", "TMPDIR",
    "TRITON_", "LD_LIBRARY_PATH", "XDG_CACHE_HOME",
)  # fmt: skip
"""Variables of libraries that ``cluster.env`` may set: these names, or names that begin so."""
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|COOKIE)", re.IGNORECASE)
"""Names of variables whose values are never written to a script or a log."""
_LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")


@section
class Cluster:
    partition: Words = ""
    account: Words = ""
    qos: Words = ""
    reservation: Words = ""
    constraint: Words = ""
    exclude: Words = ""
    time: TimeLimit = "24:00:00"
    save_before_s: Annotated[int, Field(ge=10, le=36_000)] = 600
    gpus_per_node: Count = 8
    gpu_request: Literal["gpus-per-node", "gres", "none"] = "gpus-per-node"
    cpus_per_rank: Annotated[int, Field(ge=1, le=1024)] = 8
    memory: Memory = ""
    exclusive: Literal["yes", "no"] = "no"
    modules: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+ -]*$")] = ""
    runtime: Literal["venv", "pyxis", "apptainer"] = "venv"
    image: Annotated[str, Field(max_length=4096)] = ""
    mounts: Annotated[str, Field(max_length=4096)] = ""
    python: Annotated[str, Field(max_length=4096)] = ""
    launcher: Literal["srun", "torchrun"] = "srun"
    interface: Words = ""
    variables: dict[str, str] = dataclasses.field(default_factory=dict)


NAMES = {name.upper(): name for name in Cluster.__dataclass_fields__ if name != "variables"}


def find_cluster(given: str | None) -> Path:
    """The file to read: ``given``, else ``cluster.env`` here, else ``slurm/cluster.env`` beside the packages."""
    if given is not None:
        return Path(given).expanduser()
    beside = Path(__file__).resolve().parents[2] / "slurm" / "cluster.env"
    for path in (Path("cluster.env"), Path("slurm/cluster.env"), beside):
        if path.is_file():
            return path
    raise ConfigError(
        "no cluster.env here; copy slurm/cluster.env of the sources, adapt it, and name it with --cluster",
        rule="missing-cluster",
    )


def read_cluster(path: Path) -> Cluster:
    """Raises ConfigError with every mistake, each with its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); check the path", rule="unreadable-file"
        ) from None
    values: dict[str, Any] = {"variables": {}}
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for number, name, value in _assignments(str(path), text, problems):
        if name in lines:
            message = f"is also set in line {lines[name]}; remove one of them"
            problems.append(Problem(f"{path}:{number}", name, message, "duplicate-name"))
        lines[name] = number
        if problem := _problem_of_value(name, value):
            problems.append(Problem(f"{path}:{number}", name, *problem))
        elif name in NAMES:
            values[NAMES[name]] = value  # pydantic reads numbers
        elif value:
            values["variables"][name] = value
    try:
        cluster = TypeAdapter(Cluster).validate_python({k: v for k, v in values.items() if v != ""})
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0]).upper()
            message = f"{str(item['input'])[:60]!r}: {in_plain_words(item['msg'])}; correct it"
            problems.append(
                Problem(f"{path}:{lines.get(name, 0)}", name, message, item["type"].replace("_", "-"))
            )
        raise ConfigError(problems) from None
    if cluster.runtime != "venv" and not cluster.image:
        message = f"missing, because RUNTIME is {cluster.runtime}; name the image of the container"
        problems.append(Problem(str(path), "IMAGE", message, "missing-image"))
    if problems:
        raise ConfigError(problems)
    return cluster


def _assignments(path: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            message = "is not NAME=VALUE; the file is read and not executed, so it contains no other commands"
            problems.append(Problem(f"{path}:{number}", "", message, "not-an-assignment"))
            continue
        value = match[2].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield number, match[1], value


def _problem_of_value(name: str, value: str) -> tuple[str, str] | None:
    known = name in NAMES or name.startswith(VARIABLES)
    if SECRET.search(name):
        return "is a secret; set it in your own environment, which the job inherits", "secret"
    if not known:
        near = nearest_name(name, [*NAMES, *VARIABLES])
        hint = f"did you mean {near}?" if near else f"known: {', '.join(NAMES)}, and variables of libraries"
        return f"unknown name; {hint}", "unknown-name"
    if any(character in value for character in "$`\\") or not value.isprintable():
        return (
            "contains one of $ ` \\, or a control character; nothing is expanded, write it out",
            "expansion",
        )
    return None


def shown_variables(environment: dict[str, str] | os._Environ[str]) -> dict[str, str]:
    """Variables that explain how a job ran: those of Slurm and of libraries, without secrets."""
    prefixes = ("SLURM_", "MASTER_", *VARIABLES)
    return {k: v for k, v in sorted(environment.items()) if k.startswith(prefixes) and not SECRET.search(k)}


def seconds_of(limit: str) -> int:
    """A time limit of Slurm in seconds: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]."""
    days, dash, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
