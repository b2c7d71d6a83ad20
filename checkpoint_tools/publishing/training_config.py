"""The training configuration as a file that can be published: without machine paths and without secrets. No torch."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import yaml

FILE = "training_config.yaml"
_HEADER = "# Resolved configuration of the training run. Absolute paths are shortened to their last part.\n"
_MACHINE_PATH = re.compile(r"^(?:file://|[/~\\]|[A-Za-z]:[\\/])|(?:^|[\\/])\.\.(?:[\\/]|$)")
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")
_SECRET = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|[0-9a-f]{40})\b"
)
_SECRET_KEY = re.compile(r"(?:^|_)(?:token|secret|password|passwd|api_?key|credentials?)$", re.IGNORECASE)


def publishable(value: Any) -> Any:
    """``value``, the tree of a configuration, with shortened paths; what looks like a secret becomes null."""
    if isinstance(value, dict):
        return {key: None if _SECRET_KEY.search(str(key)) else publishable(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [publishable(entry) for entry in value]
    return _publishable_text(value) if isinstance(value, str) else value


def _publishable_text(text: str) -> str | None:
    if _SECRET.search(text):
        return None
    text = _USER_IN_URL.sub("", text)
    return last_part(text) if _MACHINE_PATH.search(text) else text


def last_part(path: str) -> str:
    """Name of a file or folder, whatever the system that wrote the path."""
    kind = PureWindowsPath if "\\" in path else PurePosixPath
    parts = [part for part in kind(path).parts if part not in ("..", "~", "/", ".")]
    return parts[-1] if parts else "folder"


def to_publishable_yaml(config: dict[str, Any]) -> str:
    """Text of ``training_config.yaml``; ``config`` is the resolved configuration in a checkpoint."""
    return _HEADER + yaml.safe_dump(publishable(config), sort_keys=False, allow_unicode=True, width=110)
