"""Tasks of a step as Ray tasks, on a cluster that shares a file system with the driver.

Owns the connection. Ray costs seconds and gigabytes before it does anything: it pays beyond one machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from megatron_ko.errors import ConfigError, UserError
from preprocessing.running.markers import Marker
from preprocessing.running.tasks import Done, RunContext, StepTask, do


class RayRunner:
    """``address`` of a running cluster, ``auto`` for the one of this host, None to start one here with ``workers``."""

    leads = True
    shared = False

    def __init__(self, address: str | None, workers: int):
        try:
            import ray
        except ImportError:
            raise ConfigError("--runner ray: Ray is not installed; pip install 'megatron_ko[ray]'") from None
        self._ray = ray
        options: dict[str, Any] = {"address": address} if address else {"num_cpus": workers}
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False, **options)
        self._do = ray.remote(num_cpus=1, max_retries=2)(_do)

    def run(self, context: RunContext, keyed: Sequence[StepTask], done: Done) -> None:
        shared = self._ray.put(context.for_worker())
        running = {self._do.remote(shared, one): one for one in keyed}
        waiting = list(running)
        while waiting:
            ended, waiting = self._ray.wait(waiting)
            for reference in ended:
                summary, problem = self._ray.get(reference)
                if problem is not None:
                    for other in waiting:
                        self._ray.cancel(other)
                    raise problem
                done(running[reference], summary)

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Nobody else leads."""

    def close(self) -> None:
        self._ray.shutdown()


def _do(context: RunContext, one: StepTask) -> tuple[dict[str, Any], UserError | None]:
    """User errors are returned: raised, Ray would wrap them in its own and try again."""
    try:
        return do(context, one), None
    except UserError as error:
        return {}, error
