"""A real Slurm of two nodes on this machine, for as long as a test runs: munged, slurmctld and a slurmd for each node.

Owns its daemons, which live in one folder with ports of their own, and their end.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

NODES = ("alpha", "beta")  # names that do not resolve, as on many clusters
LIMIT_S = 240.0
_FIXED_PORTS = range(20_000, 30_000)
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=20
KillWait=5
JobRequeue=1
SchedulerParameters=batch_sched_delay=0,sched_interval=1
{nodes}
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Programs that a local Slurm needs and that are not installed; its daemons also need root."""
    return [program for program in PROGRAMS if shutil.which(program) is None] or (
        [] if os.geteuid() == 0 else ["root"]
    )


needs_slurm = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing()), reason=f"a local Slurm needs {', '.join(missing())}"),
]
"""Marks of the tests that use the fixture ``slurm``."""


class LocalSlurm:
    """Two nodes; commands run with ``environment``."""

    def __init__(self, folder: Path):
        self.folder = folder
        ports = _free_ports(3)
        nodes = (
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=2000"
            for name, port in zip(NODES, ports[1:], strict=True)
        )
        text = CONFIGURATION.format(folder=folder, controller=ports[0], nodes="\n".join(nodes))
        (folder / "state").mkdir()
        (folder / "slurm.conf").write_text(text, encoding="utf-8")
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        files = {
            "key-file": key,
            "socket": "munge.socket",
            "pid-file": "munge.pid",
            "log-file": "munge.log",
            "seed-file": "seed",
        }
        self.run("munged", "--force", *(f"--{name}={self.folder / file}" for name, file in files.items()))
        self.run("slurmctld", "-f", str(self.folder / "slurm.conf"))
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.idle_nodes() == 2, "two idle nodes")

    def idle_nodes(self) -> int:
        return int(self.run("sinfo", "-h", "-t", "idle", "-o", "%D").strip() or 0)

    def start_node(self, node: str) -> None:
        (self.folder / f"spool.{node}").mkdir(exist_ok=True)
        self.run("slurmd", "-f", str(self.folder / "slurm.conf"), "-N", node)

    def kill_daemon(self, node: str) -> None:
        """Kills slurmd of the node; the processes of its jobs go on."""
        psutil.Process(int((self.folder / f"slurmd.{node}.pid").read_text())).kill()

    def kill_node(self, node: str) -> None:
        """Simulates a power failure: kills slurmd of the node and all its processes at once."""
        daemon = psutil.Process(int((self.folder / f"slurmd.{node}.pid").read_text()))
        log = str(self.folder / f"slurmd.{node}.log")
        steps = [process for process in psutil.process_iter() if _is_step_of(process, log)]
        for process in [daemon, *(p for step in steps for p in (step, *step.children(recursive=True)))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("scancel", "--user=root", "--signal=KILL")
        for file in (
            *self.folder.glob("slurmd.*.pid"),
            self.folder / "slurmctld.pid",
            self.folder / "munge.pid",
        ):
            with contextlib.suppress(
                FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.TimeoutExpired
            ):
                daemon = psutil.Process(int(file.read_text()))
                daemon.terminate()
                daemon.wait(10)

    def submit(
        self, options: list[str], script: Path, arguments: list[str], cwd: Path, **variables: str
    ) -> str:
        """The job's id."""
        command = ["sbatch", "--parsable", *options, str(script), *arguments]
        return self.run(*command, cwd=cwd, environment={**self.environment, **variables}).strip()

    def job(self, job: str) -> dict[str, str]:
        """Fields of ``scontrol show job``."""
        return dict(f.split("=", 1) for f in self.run("scontrol", "show", "job", job).split() if "=" in f)

    def start_now(self, job: str) -> None:
        """Starts a requeued job at once; Slurm would delay it by two minutes."""
        try:
            self.run("scontrol", "update", f"JobId={job}", "StartTime=now")
        except AssertionError as error:
            if "no longer pending" not in str(error):  # it has started by itself
                raise

    def signal(self, job: str, number: signal.Signals) -> None:
        self.run("scancel", f"--signal={number.name.removeprefix('SIG')}", job)

    def run(self, *command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command, env=environment or self.environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def local_slurm(folder: Path) -> Iterator[LocalSlurm]:
    slurm = LocalSlurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def wait_until(
    condition: Callable[[], bool], what: str, log: Callable[[], str] = str, limit_s: float = LIMIT_S
) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s:.0f} s\n{log()}"
        time.sleep(0.2)


def _is_step_of(process: psutil.Process, log: str) -> bool:
    """A slurmstepd writes to the log of the slurmd that started it."""
    with contextlib.suppress(psutil.Error):
        return process.name() == "slurmstepd" and any(file.path == log for file in process.open_files())
    return False


def _free_ports(count: int) -> list[int]:
    """Ports below those that the system hands out by itself, which another test may get before a daemon takes it."""
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            try:
                one.bind(("", secrets.choice(_FIXED_PORTS)))
            except OSError:
                one.close()
            else:
                sockets.append(one)
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
