"""Tasks: what a step hands to a runner, and how one is done anywhere.

Owns the contract between steps and runners. A task that is done has a marker under its key, so whoever runs it, and
however often the run is killed, its outputs are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from preprocessing.running.markers import Marker


class RunContext(Protocol):
    """What runners need of ``preprocessing.running.context.Context``, which is above them."""

    folder: Path

    def for_worker(self) -> RunContext: ...


@dataclass(frozen=True)
class Outcome:
    """What a task or a step wrote, and its summary (JSON) for the marker and the funnel.

    ``shared``: entries of a step's summary that later steps read, so that they count as its content.
    """

    outputs: list[Path]
    summary: dict[str, Any]
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """``function(context, *arguments) -> Outcome`` is a function of a module; ``depends`` is the JSON of all that the
    result depends on but the version of the step: configuration, identities of inputs, and ``context.upstream`` of every
    task whose files it reads; ``size`` is the bytes it reads, for the progress bar."""

    name: str
    function: Callable[..., Outcome]
    arguments: tuple[Any, ...] = ()
    depends: Any = None
    size: int = 0


@dataclass(frozen=True)
class StepTask:
    """A task of a step under its key; ``number`` is its place among all tasks of the step, done or not."""

    step: str
    number: int
    task: Task
    key: str

    @property
    def marker_name(self) -> str:
        return f"{self.step}/{self.task.name}"


Done = Callable[[StepTask, dict[str, Any]], None]


class Runner(Protocol):
    """``leads`` is true in the one process that writes what belongs to no task."""

    leads: bool
    shared: bool
    """Whether other processes work in the same folder at the same time."""

    def run(self, context: RunContext, keyed: Sequence[StepTask], done: Done) -> None:
        """Returns when every task has its marker; calls ``done`` for each as it ends. Raises what a task raised."""
        ...

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Returns when the one process that leads has written ``marker``."""
        ...

    def close(self) -> None: ...


def do(context: RunContext, keyed: StepTask) -> dict[str, Any]:
    """Runs a task and writes its marker, last. Returns the summary."""
    marker = Marker(context.folder, keyed.marker_name)
    marker.remove()
    outcome = keyed.task.function(context, *keyed.task.arguments)
    marker.write(keyed.key, outcome.outputs, outcome.summary)
    return outcome.summary
