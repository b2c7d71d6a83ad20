"""The record of one acceptance: a JSON file with card, versions, commit, date, and of each part its numbers and checks.

Written after each part: a command that is killed leaves what it had.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import subprocess
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from megatron_ko.files import write_json
from megatron_ko.formats.checkpoint_folder import versions
from tests.gpu.apart import ProcessFailed
from tests.gpu.shapes import ROOT, Setting

FORMAT = "megatron_ko-gpu-acceptance-1"


@dataclass(frozen=True)
class Check:
    """A measured value and its target."""

    name: str
    value: float | bool | str
    relation: str
    limit: float | bool
    passed: bool


def at_most(name: str, value: float, limit: float) -> Check:
    return Check(name, _writable(value), "<=", limit, math.isfinite(value) and value <= limit)


def at_least(name: str, value: float, limit: float) -> Check:
    return Check(name, _writable(value), ">=", limit, math.isfinite(value) and value >= limit)


def holds(name: str, value: bool) -> Check:
    return Check(name, value, "==", True, value)


def _writable(value: float) -> float | str:
    """JSON has no numbers that are not finite."""
    return value if math.isfinite(value) else str(value)


@dataclass
class Outcome:
    """What one part found."""

    numbers: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]


Part = Callable[[Setting], Outcome]


class Record:
    """The file ``path``, which grows with each part."""

    def __init__(self, path: Path, command: str, setting: Setting, commit: str | None) -> None:
        self._path, self._setting = path, setting
        self._content: dict[str, Any] = {
            "format": FORMAT,
            "command": command,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "device": setting.device,
            "tiny": setting.tiny,
            "card": asdict(setting.card) if setting.card else None,
            "versions": versions(),
            "commit": commit or _commit(),
            "source_sha256": source_sha256(),
            "seconds": 0.0,
            "passed": False,
            "complete": False,
            "parts": {},
        }
        self._begin = time.monotonic()
        self._write()

    def run(self, name: str, part: Part) -> None:
        """Runs a part and writes what it found; one that fails is recorded with its error, and the next one runs."""
        begin = time.monotonic()
        entry: dict[str, Any] = {}
        try:
            outcome = part(self._setting)
            entry.update(numbers=outcome.numbers, checks=[asdict(check) for check in outcome.checks])
            entry["passed"] = not outcome.failures
        except Exception as error:
            print(traceback.format_exc(), flush=True)
            text = str(error) if isinstance(error, ProcessFailed) else traceback.format_exc()
            entry.update(passed=False, error=text)
        entry["seconds"] = round(time.monotonic() - begin, 1)
        self._content["parts"][name] = entry
        self._write()
        failed = [check["name"] for check in entry.get("checks", ()) if not check["passed"]]
        result = "passed" if entry["passed"] else "FAILED " + (", ".join(failed) or "with an error")
        print(f"{name}: {result}, {entry['seconds']:.0f} s", flush=True)

    def end(self) -> bool:
        """Marks the record complete; returns whether every part passed."""
        parts = self._content["parts"].values()
        self._content.update(complete=True, passed=all(part["passed"] for part in parts))
        self._write()
        return bool(self._content["passed"])

    def _write(self) -> None:
        self._content["seconds"] = round(time.monotonic() - self._begin, 1)
        write_json(self._path, self._content)


def _commit() -> str | None:
    """The commit of this working tree, marked where it has changes; None without git, such as in a copied tree."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def source_sha256() -> str:
    """Hash of the modules that train, which identifies a copied tree."""
    content = hashlib.sha256()
    for path in sorted((ROOT / "megatron_ko").rglob("*.py")):
        content.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()
