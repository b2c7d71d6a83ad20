"""The fields of megatron-core's ``TransformerConfig``: names and types, read from its source because importing it takes seconds.

Owns what a value of ``model.extra`` may be. ``config_rules`` owns which fields may be set there.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from megatron_ko.config.fields import INT32_MAX
from megatron_ko.config.yaml_tree import format_value
from megatron_ko.errors import ConfigError

_NAMES = {"bool": "true or false", "int": "an integer", "float": "a number", "str": "text", "None": "none"}
_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "float": (int, float), "str": (str,), "None": (type(None),)
}  # fmt: skip
_MINIMUMS = {"fp8_interval": 1, "fp8_amax_history_len": 1}
"""Fields that count from 1; other integers count from 0."""


@functools.cache
def transformer_config_fields() -> Mapping[str, ast.expr]:
    """Annotation of each field by name. Raises ConfigError if megatron-core is not installed."""
    spec = importlib.util.find_spec("megatron")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        core = Path(folder) / "core"
        sources = [core / "transformer" / "transformer_config.py", core / "model_parallel_config.py"]
        if all(source.is_file() for source in sources):
            classes = {"TransformerConfig", "ModelParallelConfig"}
            return {
                statement.target.id: statement.annotation
                for source in sources
                for node in ast.parse(source.read_text(encoding="utf-8")).body
                if isinstance(node, ast.ClassDef) and node.name in classes
                for statement in node.body
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            }
    raise ConfigError(
        "megatron-core is not installed; pip install -r requirements.txt", rule="missing-package"
    )


def value_problem(name: str, value: Any, layers: int) -> str | None:
    """What is wrong with ``value`` for the field ``name`` of a model with ``layers`` layers, and its range; None if it fits."""
    annotation = transformer_config_fields()[name]
    if not _fits(annotation, value):
        return f"{format_value(value)}: must be {_describe(annotation)}; correct or remove it"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    low, high = _range_of(name, layers)
    if low <= value <= high:  # NaN is not
        return None
    kind = "an integer" if _fits(ast.Name("int"), value) else "a number"
    return f"{format_value(value)}: must be {kind} from {low} to {high}; correct or remove it"


def _range_of(name: str, layers: int) -> tuple[int, int]:
    if name.endswith("_dropout"):
        return 0, 1
    return _MINIMUMS.get(name, 0), layers if "num_layers" in name else INT32_MAX


def _fits(annotation: ast.expr, value: Any) -> bool:
    kind, parts = _parts_of(annotation)
    if kind == "Union":
        return any(_fits(part, value) for part in parts)
    if kind == "Literal":
        return any(isinstance(part, ast.Constant) and part.value == value for part in parts)
    if kind == "List":
        return isinstance(value, list) and all(_fits(parts[0], entry) for entry in value)
    types = _TYPES.get(kind, ())  # enumerations and functions cannot be written in a configuration
    return isinstance(value, types) and (not isinstance(value, bool) or kind == "bool")


def _describe(annotation: ast.expr) -> str:
    """``an integer or none``, ``full or selective or none``."""
    kind, parts = _parts_of(annotation)
    if kind == "Union":
        return " or ".join(dict.fromkeys(_describe(part) for part in parts if _is_writable(part)))
    if kind == "Literal":
        return " or ".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
    if kind == "List":
        return f"a list, each entry {_describe(parts[0])}"
    return _NAMES.get(kind, f"{kind}, which a configuration cannot express")


def _is_writable(annotation: ast.expr) -> bool:
    """Whether a configuration can contain a value of this type: enumerations are not text."""
    kind, parts = _parts_of(annotation)
    return kind in _TYPES or kind == "Literal" or any(map(_is_writable, parts))


def _parts_of(annotation: ast.expr) -> tuple[str, list[ast.expr]]:
    """Name of a type and its arguments; ``Optional[A]`` and ``A | B`` are unions."""
    if isinstance(annotation, ast.Constant):
        return str(annotation.value), []
    if isinstance(annotation, ast.BinOp):
        return "Union", [annotation.left, annotation.right]
    if not isinstance(annotation, ast.Subscript):
        return ast.unparse(annotation), []
    inside = annotation.slice
    arguments = list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
    kind = ast.unparse(annotation.value).rpartition(".")[2]
    if kind == "Optional":
        return "Union", [*arguments, ast.Constant(None)]
    return {"list": "List"}.get(kind, kind), arguments
