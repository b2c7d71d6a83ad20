"""Facts of one rank's machine, without torch: host, interpreter, packages, GPUs, clock, disk, and the data that it sees.

Owns what a record of ``mko preflight`` contains. ``verdicts`` judges the records of all ranks.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from megatron_ko.config.training import Config
from megatron_ko.errors import UserError
from megatron_ko.files import sha256_file, sha256_text
from megatron_ko.formats.manifest import read_manifest

GPU_FIELDS = (
    "index", "name", "memory.total", "memory.used", "ecc.errors.uncorrected.volatile.total", "clocks_throttle_reasons.active", "driver_version",
)  # fmt: skip
THROTTLING = ("clocks_throttle_reasons.active", "clocks_event_reasons.active")
"""The same field in older and in newer drivers."""
KEY_PACKAGES = ("torch", "megatron-core", "transformer-engine", "numpy", "pydantic")
EDGE_BYTES = 1 << 16


def facts_of_rank(
    config: Config, rank: int, local_rank: int, environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Facts that every rank records; those of the host only where ``local_rank`` is 0, which saves 7 of 8 looks."""
    facts: dict[str, Any] = {
        "rank": rank,
        "local_rank": local_rank,
        "host": environment.get("SLURMD_NODENAME") or socket.gethostname(),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "packages": packages_hash(),
        "versions": versions(),
    }
    if local_rank:
        return facts
    folder = Path(config.run.folder).expanduser()
    usage = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists()))
    return {
        **facts,
        "data": data_hash(config),
        "free_bytes": usage.free,
        "gpus": gpus() if config.run.device == "cuda" else [],
    }


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a run computes; those that are not installed are left out."""
    found = {}
    for package in KEY_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def packages_hash() -> str:
    """Hash of names and versions of all installed packages."""
    names = sorted({f"{dist.metadata['Name']}=={dist.version}" for dist in metadata.distributions()})
    return sha256_text("\n".join(names))[:16]


def data_hash(config: Config) -> str:
    """Hash of the manifest, and of size, beginning and end of each token file; else what is wrong with them.

    Two hosts with the same hash see the same copy: files of other content have other ends or another manifest.
    """
    path = Path(config.data.manifest).expanduser()
    try:
        manifest = read_manifest(path)
        parts = [sha256_file(manifest.path)]
        for tokens in manifest.sets:
            for pair in tokens.pairs:
                parts += [
                    f"{pair.prefix} {_edges(Path(f'{pair.prefix}{suffix}'))}" for suffix in (".bin", ".idx")
                ]
    except (UserError, OSError) as error:
        return f"error: {str(error).splitlines()[0][:200]}"
    return sha256_text("\n".join(parts))[:16]


def _edges(path: Path) -> str:
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(EDGE_BYTES)
        file.seek(max(0, size - EDGE_BYTES))
        return f"{size} {sha256_text(repr((head, file.read())))}"


def gpus() -> list[dict[str, str]] | str:
    """One mapping for each GPU with ``GPU_FIELDS`` as nvidia-smi prints them, or why there are none."""
    reason = ""
    for throttling in THROTTLING:
        fields = [throttling if field == THROTTLING[0] else field for field in GPU_FIELDS]
        command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            return "nvidia-smi is not installed"
        except subprocess.TimeoutExpired:
            return "nvidia-smi did not answer within 60 s"
        if done.returncode == 0:
            rows = [
                [cell.strip() for cell in line.split(",")]
                for line in done.stdout.splitlines()
                if line.strip()
            ]
            return [dict(zip(GPU_FIELDS, row)) for row in rows]
        reason = " ".join((done.stdout + done.stderr).split())[:200]
        if "not a valid field" not in reason:
            break
    return reason
