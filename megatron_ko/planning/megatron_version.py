"""Which megatron-core is installed and what needs a newer one, without importing it.

Two versions are supported (``docs/megatron_core.md``): the newest that Python 3.12 gets, and the last for Python 3.10
and 3.11. A difference in a signature is asked of the signature, where the call is; this module is for what a user must
be told.
"""

from __future__ import annotations

from importlib import metadata

from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint


def missing_for(version: str) -> str | None:
    """The end of an error message when the installed megatron-core is older than ``version`` (such as "0.19")."""
    installed = metadata.version("megatron-core")
    if _numbers(installed) >= _numbers(version):
        return None
    return f"needs megatron-core {version} or newer, {installed} is installed; use Python 3.12 or newer (make install)"


def check_loadable(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError when megatron-core is too old to load the checkpoint; conversions read it with either."""
    if checkpoint.state_in_index and (problem := missing_for("0.19")):
        raise CheckpointError(
            f"{checkpoint.folder}: was written by a newer megatron-core, and loading it {problem}; or convert it, "
            "python -m checkpoint_tools to-hf reads it with the installed one, too"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
