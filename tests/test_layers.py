"""Imports only look down, each outside library is named where it belongs, and modules are named after what they own.

Imports inside functions and under TYPE_CHECKING count like all others.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("megatron_ko", "preprocessing", "checkpoint_tools", "slurm")

# Modules of megatron_ko from the bottom up. A new module must be placed here.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "files", "logs", "progress"),
    ("config.fields", "config.schema", "config.yaml_tree", "config.loading", "config.cli"),
    (
        "schedule",
        "flops",
        "memory",
        "manifest",
        "fingerprint",
        "byte_letters",
        "tokenizer",
        "run_folder",
        "layout",
        "plan",
    ),
    ("cpu", "stop", "launch", "checkpoint_index"),
    ("distributed",),
    ("attention",),
    ("model", "optimizer", "data", "metrics", "reporting"),
    ("checkpoint",),
    ("step",),
    ("evaluate",),
    ("session",),
    ("train",),
)
LAYER = {f"megatron_ko.{name}": number for number, names in enumerate(LAYERS) for name in names}
LIGHT = 2
"""The highest layer that knows nothing of torch; up to it a module may import its siblings, as long as none is a circle."""

HEAVY = {"torch", "megatron", "transformers", "transformer_engine"}
# Outside libraries at the top of a module, by layer; inside functions more is allowed (numpy, tqdm, sentencepiece).
AT_THE_TOP: tuple[set[str], ...] = (set(), {"pydantic", "yaml", "typing_extensions"}, {"pydantic"})


@dataclass(frozen=True)
class Import:
    """``from a.b import c`` is ``a.b.c``; ``import a.b`` is ``a.b``."""

    name: str
    line: int
    at_the_top: bool

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def own_module(self) -> str | None:
        """The module of megatron_ko that is meant, also when something inside it is imported."""
        parts = self.name.split(".")
        return next((n for i in range(len(parts), 1, -1) if (n := ".".join(parts[:i])) in LAYER), None)


@lru_cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[Import]:
    def visit(node: ast.AST, at_the_top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, at_the_top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import; write the package's name"
                yield from (
                    Import(f"{child.module}.{alias.name}", child.lineno, at_the_top) for alias in child.names
                )
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from visit(child, at_the_top and not inside)

    return visit(tree(path), True)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


EVERY = [path for package in PACKAGES for path in files(package)]
MODULES = [path for path in EVERY if path.name != "__init__.py"]


def problems_of(paths: list[Path], is_wrong) -> list[str]:
    """``file:line: name`` of every import that ``is_wrong(path, import)``."""
    return [
        f"{path.relative_to(ROOT)}:{item.line}: imports {item.name}"
        for path in paths
        for item in imports(path)
        if is_wrong(path, item)
    ]


def in_layers(first: int, last: int) -> list[Path]:
    return [path for path in files("megatron_ko") if first <= LAYER.get(name_of(path), -1) <= last]


# --- megatron_ko -----------------------------------------------------------------------------------------


def test_every_module_has_a_layer_and_every_layer_exists():
    found = {name_of(path) for path in files("megatron_ko") if path.name != "__init__.py"}
    assert found == set(LAYER)


def test_imports_only_look_down():
    def looks_up(path: Path, item: Import) -> bool:
        if item.package != "megatron_ko":
            return False
        if item.own_module is None:
            return True
        here, there = LAYER[name_of(path)], LAYER[item.own_module]
        return there > here or (there == here and here > LIGHT)

    assert problems_of(in_layers(0, len(LAYERS)), looks_up) == []


def test_no_imports_go_in_a_circle():
    graph = {
        name_of(p): {i.own_module for i in imports(p) if i.own_module} for p in in_layers(0, len(LAYERS))
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(LAYER)


def test_megatron_ko_needs_no_other_package_of_this_repository():
    others = {*PACKAGES, "examples", "tests"} - {"megatron_ko"}
    assert problems_of(files("megatron_ko"), lambda path, item: item.package in others) == []


def test_the_light_layers_import_nothing_heavy_not_even_inside_functions():
    assert problems_of(in_layers(0, LIGHT), lambda path, item: item.package in HEAVY) == []


@pytest.mark.parametrize("layer", range(LIGHT + 1))
def test_the_light_layers_start_with_few_libraries(layer):
    def is_outside(path: Path, item: Import) -> bool:
        known = sys.stdlib_module_names | AT_THE_TOP[layer] | {"megatron_ko"}
        return item.at_the_top and item.package not in known

    assert problems_of(in_layers(layer, layer), is_outside) == []


def test_training_starts_light():
    """train.py and launch.py import what is heavy inside functions, after everything was checked."""
    paths = [ROOT / "megatron_ko" / "train.py", ROOT / "megatron_ko" / "launch.py"]

    def is_heavy(path: Path, item: Import) -> bool:
        return item.at_the_top and (item.package in HEAVY or LAYER.get(item.own_module or "", 0) > LIGHT)

    assert problems_of(paths, is_heavy) == []


# What of megatron-core changes with its versions is known to few files. The longest prefix decides.
ONLY_IN = {
    "megatron.core.parallel_state": {"distributed", "model"},
    "megatron.core.transformer.TransformerConfig": {"model"},
    "megatron.core.transformer.transformer_config": {"model"},
    # distributed.py imports these two once, before ranks are forked
    "megatron.core.datasets": {"data", "distributed"},
    "megatron.core.dist_checkpointing": {"checkpoint", "distributed"},
    # descriptions of sharded tensors, which a model gives of itself
    "megatron.core.dist_checkpointing.mapping": {"checkpoint", "model"},
}


def test_parts_of_megatron_core_are_known_to_the_files_that_own_them():
    def is_foreign(path: Path, item: Import) -> bool:
        prefixes = [prefix for prefix in ONLY_IN if f"{item.name}.".startswith(f"{prefix}.")]
        return bool(prefixes) and path.stem not in ONLY_IN[max(prefixes, key=len)]

    assert problems_of(files("megatron_ko"), is_foreign) == []


@pytest.mark.parametrize(
    "name, owners", [("TransformerConfig", {"model"}), ("parallel_state", {"distributed", "model"})]
)
def test_names_of_megatron_core_are_written_in_the_files_that_own_them(name, owners):
    """As identifiers: layout.py names TransformerConfig in text only, to read its fields from the source."""
    users = {
        path.stem
        for path in EVERY
        for node in ast.walk(tree(path))
        if name in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None))
    }
    assert users == owners


# --- the other packages ----------------------------------------------------------------------------------


def above(layer: int):
    """Imports of megatron_ko that lie above ``layer`` or nowhere."""

    def is_above(path: Path, item: Import) -> bool:
        return item.package == "megatron_ko" and LAYER.get(item.own_module or "", len(LAYERS)) > layer

    return is_above


def test_preprocessing_knows_the_light_layers_only():
    assert problems_of(files("preprocessing"), above(LIGHT)) == []
    assert (
        problems_of(files("preprocessing"), lambda path, item: item.package in {*HEAVY, "checkpoint_tools"})
        == []
    )


def test_slurm_knows_configuration_only():
    assert problems_of(files("slurm"), above(1)) == []
    heavy = {*HEAVY, "checkpoint_tools", "preprocessing", "numpy"}
    assert problems_of(files("slurm"), lambda path, item: item.package in heavy) == []


# The one file that knows the reader of checkpoint indices, which training shares; it needs torch and nothing of ours.
READS_INDEX = ("torch_dist", "megatron_ko.checkpoint_index")


def test_checkpoint_tools_know_training_in_one_file_and_inside_functions():
    """Running megatron-core in a process changes torch for the whole process."""

    def is_wrong(path: Path, item: Import) -> bool:
        if item.package == "preprocessing":
            return True
        if (path.stem, item.own_module) == READS_INDEX:
            return False
        trains = item.package == "megatron" or above(LIGHT)(path, item)
        harmless = item.own_module == "megatron_ko.launch"  # the standard library alone
        return trains and (path.stem != "mcore" or (item.at_the_top and not harmless))

    assert problems_of(files("checkpoint_tools"), is_wrong) == []


def test_checkpoint_tools_know_transformers_where_they_verify():
    """Elsewhere a Hugging Face folder is files: safetensors and JSON."""

    def is_wrong(path: Path, item: Import) -> bool:
        return item.package == "transformers" and (path.stem != "verify" or item.at_the_top)

    assert problems_of(files("checkpoint_tools"), is_wrong) == []


def test_checkpoint_tools_start_with_few_libraries():
    known = {*sys.stdlib_module_names, "torch", "safetensors", "pydantic", "megatron_ko", "checkpoint_tools"}

    def is_outside(path: Path, item: Import) -> bool:
        return item.at_the_top and item.package not in known

    assert problems_of(files("checkpoint_tools"), is_outside) == []


# --- names and docstrings --------------------------------------------------------------------------------


def test_packages_hold_a_docstring_and_nothing_else():
    for path in EVERY:
        if path.name == "__init__.py":
            body = tree(path).body
            assert len(body) == 1 and ast.get_docstring(tree(path)), f"{path}: only a docstring belongs here"


def test_every_module_says_what_it_owns():
    assert [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(tree(path))] == []


def test_modules_are_named_after_what_they_own():
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager", "core", "tools"}
    words = {str(path.relative_to(ROOT)): set(path.stem.split("_")) for path in MODULES}
    assert {path for path, parts in words.items() if parts & vague} == set()


def test_no_module_shares_a_name_with_the_standard_library():
    names = {path.stem for path in MODULES if path.stem != "__main__"} | set(PACKAGES) | {"config"}
    assert names & set(sys.stdlib_module_names) == set()
