"""Runs tasks as Ray tasks, on a cluster that shares a file system with the driver.

Owns the connection. Ray takes seconds and gigabytes to start, so it pays off only beyond one machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from megatron_ko.errors import ConfigError, Problem, UserError
from preprocessing.running.markers import Marker
from preprocessing.running.tasks import Done, RunContext, StepTask, run_task


class RayRunner:
    """``address``: of a running cluster; ``auto`` is this host's cluster, None starts one here with ``workers``."""

    leads = True
    shared = False

    def __init__(self, address: str | None, workers: int):
        try:
            import ray
        except ImportError:
            raise ConfigError(
                [
                    Problem(
                        "command line",
                        "--runner ray",
                        "Ray is not installed; run pip install 'megatron_ko[ray]'",
                        "missing-package",
                    )
                ]
            ) from None
        self._ray = ray
        options: dict[str, Any] = {"address": address} if address else {"num_cpus": workers}
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False, **options)
        self._run_task = ray.remote(num_cpus=1, max_retries=2)(_run_task)

    def run(self, context: RunContext, tasks: Sequence[StepTask], done: Done) -> None:
        shared = self._ray.put(context.for_worker())
        running = {self._run_task.remote(shared, task): task for task in tasks}
        waiting = list(running)
        while waiting:
            ended, waiting = self._ray.wait(waiting)
            for reference in ended:
                summary, error = self._ray.get(reference)
                if error is not None:
                    for other in waiting:
                        self._ray.cancel(other)
                    raise error
                done(running[reference], summary)

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Returns at once: this process leads."""

    def close(self) -> None:
        self._ray.shutdown()


def _run_task(context: RunContext, task: StepTask) -> tuple[dict[str, Any], UserError | None]:
    """Returns a user error instead of raising it, because Ray would wrap and retry it."""
    try:
        return run_task(context, task), None
    except UserError as error:
        return {}, error
