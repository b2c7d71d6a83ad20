"""What is finished: markers with a key of everything a result depends on.

Owns keys (configuration, code, inputs, upstream), and markers that name the outputs and are written last.
A marker counts only while its outputs have the sizes it names.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.util
import json
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.files import write_json


def key_of(*parts: Any) -> str:
    """Hash of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


@functools.cache
def code_of(module: str) -> str:
    """Hash of what a module of this package and those it imports do: new rules, new results.

    Taken from their bytecode: comments and formatting do not count, the version of Python does. The schema is left out, since its
    values are in the key.
    """
    seen: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in _NOT_RESULTS or name.startswith(_NOT_RESULTS_BELOW):
            continue
        found = _module(name)
        if found is not None:
            seen[name], imported = found
            waiting += imported
    if not seen:
        raise ModuleNotFoundError(f"no module {module} with source code, whose hash would be the key of work")
    return hashlib.sha256("".join(seen[name] for name in sorted(seen)).encode("utf-8")).hexdigest()


# values of the configuration are part of the key; the frame around a step does not change its results
_NOT_RESULTS = {
    "preprocessing.config.pipeline", "preprocessing.running.context", "preprocessing.running.markers", "preprocessing.running.tasks",
    "preprocessing.running.progress", "preprocessing.report.funnel",
}  # fmt: skip
_NOT_RESULTS_BELOW = "preprocessing.config."
_IMPORT = re.compile(r"^[ \t]*from (preprocessing[\w.]*) import (\([^)]*\)|[^\n]+)", re.MULTILINE)
_NAME = re.compile(r"(\w+)(?:[ \t]+as[ \t]+\w+)?[ \t]*(?:,|$)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")


@functools.cache
def _module(name: str) -> tuple[str, tuple[str, ...]] | None:
    """``(hash, names)``: of what a module does, and of what it imports from this package; None where there is no such module."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
        return None
    code, source = spec.loader.get_code(name), spec.loader.get_source(name)
    assert code is not None
    assert source is not None
    imported = []
    for package, names in _IMPORT.findall(source):
        imported += [
            package,
            *(f"{package}.{one}" for one in _NAME.findall(_COMMENT.sub("", names).strip("()\n\t "))),
        ]
    return hashlib.sha256(repr(_essence(code)).encode("utf-8")).hexdigest(), tuple(dict.fromkeys(imported))


def _essence(value: Any) -> Any:
    """What bytecode does, without its lines; constant sets in an order of their own."""
    if isinstance(value, types.CodeType):
        return (
            value.co_code, value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars, value.co_argcount,
            value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags, getattr(value, "co_exceptiontable", b""),
            [_essence(constant) for constant in value.co_consts],
        )  # fmt: skip
    if isinstance(value, tuple):
        return [_essence(part) for part in value]
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


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
