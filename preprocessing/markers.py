"""What is finished: markers with a key of everything a result depends on.

Owns keys (configuration, code, inputs, upstream), and markers that name the outputs and are written last.
A marker counts only while its outputs have the sizes it names.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.files import write_json


def key_of(*parts: Any) -> str:
    """Hash of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


@functools.cache
def code_of(module: str) -> str:
    """Hash of the syntax trees of a module of this package and of those it imports: new rules, new results.

    The schema is left out (its values are in the key), comments and formatting do not count.
    """
    seen: dict[str, str] = {}
    _gather(module, seen)
    return hashlib.sha256("".join(seen[name] for name in sorted(seen)).encode("utf-8")).hexdigest()


# values of the configuration are part of the key; the frame around a step does not change its results
_NOT_RESULTS = {
    "preprocessing.schema", "preprocessing.context", "preprocessing.markers", "preprocessing.works",
    "preprocessing.stage_progress", "preprocessing.funnel",
}  # fmt: skip
_NOT_RESULTS_BELOW = ("preprocessing.sections.", "preprocessing.runners.")


def _gather(module: str, seen: dict[str, str]) -> None:
    spec = importlib.util.find_spec(module)
    if module in seen or module in _NOT_RESULTS or module.startswith(_NOT_RESULTS_BELOW):
        return
    if spec is None or not (spec.origin or "").endswith(".py"):
        return
    tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    seen[module] = ast.dump(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("preprocessing"):
            _gather(str(node.module), seen)
            for name in node.names:
                with contextlib.suppress(ModuleNotFoundError):
                    _gather(f"{node.module}.{name.name}", seen)


class Marker:
    """``steps/NAME.json`` in the output folder."""

    def __init__(self, folder: Path, name: str):
        self._folder = folder
        self.path = folder / "steps" / f"{name}.json"

    def read(self, key: str | None = None) -> dict[str, Any] | None:
        """The summary, when the marker is of ``key`` (or any) and every output is there with its size."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if key is not None and data.get("key") != key:
            return None
        return (
            data["summary"]
            if all(self._size(name) == size for name, size in data["outputs"].items())
            else None
        )

    def key(self) -> str | None:
        try:
            return json.loads(self.path.read_text(encoding="utf-8")).get("key")
        except (OSError, ValueError):
            return None

    def outputs(self) -> list[Path]:
        """The files the marker names."""
        return [self._folder / name for name in json.loads(self.path.read_text(encoding="utf-8"))["outputs"]]

    def write(self, key: str, outputs: Sequence[Path], summary: dict[str, Any]) -> None:
        named = {str(path.relative_to(self._folder)): path.stat().st_size for path in outputs}
        write_json(self.path, {"key": key, "outputs": named, "summary": summary})

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _size(self, name: str) -> int | None:
        try:
            return (self._folder / name).stat().st_size
        except OSError:
            return None
