"""Decides whether a training job is requeued: ``python -m slurm.requeue EXIT_CODE CONFIG.yaml [...]``; exit code 0 means yes.

Owns the rule and the count of starts without progress, ``requeues.json`` in the run folder. Does not call Slurm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.config import cli
from megatron_ko.errors import EXIT_PEER_LOST, EXIT_STOPPED, exit_code_of
from megatron_ko.files import read_json, write_json
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoints_of

# stopped; a rank lost; killed by SIGABRT (NCCL's watchdog ends a rank whose collective timed out), SIGKILL, SIGUSR1 (a
# program cannot handle it before its first line) or SIGTERM
RESUMABLE = {EXIT_STOPPED, EXIT_PEER_LOST, 128 + 6, 128 + 9, 128 + 10, 128 + 15}
MAX_WITHOUT_PROGRESS = 3
NO = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Decides whether a training job that ended is requeued: exit code 0 means yes."""
    parser = argparse.ArgumentParser(prog="python -m slurm.requeue", description=main.__doc__)
    parser.add_argument("code", type=int, help="exit code of the training run")
    parser.add_argument("config", nargs="+", help="CONFIG.yaml [more.yaml ...] [section.field=value ...]")
    parsed = parser.parse_intermixed_args(arguments)
    return exit_code_of(lambda: _main(parsed.code, parsed.config))


def _main(code: int, config: Sequence[str]) -> int:
    if code not in RESUMABLE:
        return NO
    loaded = load_training(*cli.split(config))
    return 0 if may_start_again(Path(loaded.config.run.folder).expanduser(), code) else NO


def may_start_again(folder: Path, code: int) -> bool:
    """Counts this start; returns False after more than MAX_WITHOUT_PROGRESS starts in a row without a new checkpoint."""
    checkpoints = checkpoints_of(folder)
    newest = checkpoints[-1].name if checkpoints else None
    path = folder / "requeues.json"
    before = read_json(path) if path.is_file() else {"newest": newest, "without_progress": 0}
    count = before["without_progress"] + 1 if before["newest"] == newest else 0
    if count > MAX_WITHOUT_PROGRESS:
        print(
            f"not requeued: {count} starts in a row ended without a new checkpoint in {folder} (exit code {code}); check the "
            "log, then submit the job again",
            file=sys.stderr,
        )  # fmt: skip
        write_json(path, {"newest": newest, "without_progress": 0, "exit_code": code})
        return False
    write_json(path, {"newest": newest, "without_progress": count, "exit_code": code})
    return True


if __name__ == "__main__":
    sys.exit(main())
