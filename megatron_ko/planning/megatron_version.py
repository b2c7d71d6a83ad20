"""Which megatron-core is installed and what needs a newer one, without importing it.

Two versions are supported (``docs/megatron_core.md``): the newest that Python 3.12 gets, and the last for Python 3.10
and 3.11. A difference in a signature is asked of the signature, where the call is; this module is for what a user must
be told.
"""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from pathlib import Path

from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.checkpoint_folder import Checkpoint


def missing_for(version: str) -> str | None:
    """The end of an error message when the installed megatron-core is older than ``version`` (such as "0.19")."""
    installed = _installed()
    if _numbers(installed) >= _numbers(version):
        return None
    return f"needs megatron-core {version} or newer, {installed} is installed; use Python 3.12 (make install)"


def check_loadable(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError when megatron-core is too old to load the checkpoint; conversions read it with either."""
    if checkpoint.state_in_index and (problem := missing_for("0.19")):
        raise CheckpointError(
            f"{checkpoint.folder}: was written by a newer megatron-core, and loading it {problem}; or convert it, "
            "python -m checkpoint_tools to-hf reads it with the installed one, too"
        )


def _installed() -> str:
    """Its version, also where it is a folder on PYTHONPATH without metadata (containers of NVIDIA)."""
    try:
        return metadata.version("megatron-core")
    except metadata.PackageNotFoundError:
        spec = importlib.util.find_spec("megatron")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "core" / "package_info.py"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            found = dict(re.findall(r"^(MAJOR|MINOR|PATCH) *= *(\d+)", text, re.MULTILINE))
            return ".".join(found.get(name, "0") for name in ("MAJOR", "MINOR", "PATCH"))
    raise ConfigError("megatron-core is not installed: there is no megatron/core on the path; make install")


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor: the digits that each part begins with ("0.20rc1" is 0.20)."""
    return tuple(int(digits[0]) for part in version.split(".")[:2] if (digits := re.match(r"\d+", part)))
