"""The installed version of megatron-core and features that need a newer one, without importing it.

Two versions are supported (``docs/megatron_core.md``): the newest for Python 3.12, and the last for Python 3.10 and
3.11. Callers inspect signatures to handle their differences; this module reports what the user has to know.
"""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_ko.errors import CheckpointError, ConfigError

if TYPE_CHECKING:  # no rule of a configuration reads files
    from megatron_ko.formats.checkpoint_folder import Checkpoint


def missing_for(version: str) -> str | None:
    """End of an error message if the installed megatron-core is older than ``version`` (such as "0.19"), or None."""
    installed = _installed()
    if _numbers(installed) >= _numbers(version):
        return None
    return f"needs megatron-core {version} or newer, but {installed} is installed; use Python 3.12 (make install)"


def check_loadable(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError if the installed megatron-core cannot load the checkpoint; conversions read it with either."""
    if checkpoint.state_in_index and (problem := missing_for("0.19")):
        raise CheckpointError(
            f"{checkpoint.folder}: a newer megatron-core wrote it, and loading it {problem}; or convert it with "
            "'mko checkpoint to-hf', which reads it with the installed version",
            rule="megatron-core-too-old",
        )


def _installed() -> str:
    """Version of the installed package, or of a folder on PYTHONPATH without metadata (NVIDIA's containers)."""
    try:
        return metadata.version("megatron-core")
    except metadata.PackageNotFoundError:
        spec = importlib.util.find_spec("megatron")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "core" / "package_info.py"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            parts = dict(re.findall(r"^(MAJOR|MINOR|PATCH) *= *(\d+)", text, re.MULTILINE))
            return ".".join(parts.get(name, "0") for name in ("MAJOR", "MINOR", "PATCH"))
    message = "megatron-core is not installed (no megatron/core on the path); run make install"
    raise ConfigError(message, rule="missing-package")


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor number: the leading digits of both parts ("0.20rc1" is 0.20)."""
    return tuple(int(digits[0]) for part in version.split(".")[:2] if (digits := re.match(r"\d+", part)))
