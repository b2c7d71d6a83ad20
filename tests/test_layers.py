"""Imports only look down, external libraries are imported only where allowed, modules are named after what they own.

Imports inside functions and under TYPE_CHECKING count like all others.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("megatron_ko", "preprocessing", "checkpoint_tools")

# All layers, lowest first. A part is a folder, or a module beside the folders; a module imports from the parts of lower
# layers and from its own part, without circles. A new part must be added here.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("megatron_ko.tables", "megatron_ko.wording"),
    (
        "megatron_ko.errors",
        "megatron_ko.logs",
        "megatron_ko.processes",
        "megatron_ko.progress",
    ),
    ("megatron_ko.files",),
    ("megatron_ko.config",),
    ("megatron_ko.formats",),
    ("megatron_ko.planning",),
    ("megatron_ko.inputs",),
    ("megatron_ko.preflight",),
    ("megatron_ko.plan",),
    ("megatron_ko.training",),
    ("preprocessing.kernels",),
    ("preprocessing.config", "preprocessing.documents"),
    ("preprocessing.text",),
    ("preprocessing.markup", "preprocessing.pii", "preprocessing.judging"),
    ("preprocessing.readers",),
    ("preprocessing.running",),
    ("preprocessing.corpus", "preprocessing.duplicates", "preprocessing.scoring"),
    ("preprocessing.tokenizers",),
    ("preprocessing.tokens", "preprocessing.page"),
    ("preprocessing.report",),
    ("preprocessing.steps",),
    ("preprocessing.differences",),
    ("preprocessing.commands", "preprocessing.adapters"),
    ("preprocessing.cli",),
    ("preprocessing.__main__",),
    (
        "checkpoint_tools.options",
        "checkpoint_tools.prefetch",
        "checkpoint_tools.scores",
        "checkpoint_tools.texts",
    ),
    ("checkpoint_tools.formats",),
    ("checkpoint_tools.digests",),
    ("checkpoint_tools.verify", "checkpoint_tools.publishing"),
    (
        "checkpoint_tools.endpoints",
        "checkpoint_tools.embeddings",
        "checkpoint_tools.growth",
        "checkpoint_tools.pruning",
    ),
    ("checkpoint_tools.changes", "checkpoint_tools.merging"),
    ("checkpoint_tools.operations",),
    ("checkpoint_tools.__main__",),
    (
        "megatron_ko.initial_weights",
        "megatron_ko.initial_adapter",
        "megatron_ko.averaging",
        "megatron_ko.rank_start",
    ),
    ("megatron_ko.teacher_weights",),
    ("megatron_ko.train", "megatron_ko.distill", "megatron_ko.importance"),
    ("megatron_ko.operations",),
    ("megatron_ko.job",),
    ("megatron_ko.program",),
    ("megatron_ko.__main__",),
)
LAYER_OF = {part: number for number, parts in enumerate(LAYERS) for part in parts}
FORMATS, PLANNING = (LAYER_OF[f"megatron_ko.{name}"] for name in ("formats", "planning"))
TOP = LAYER_OF["megatron_ko.initial_weights"]
"""Layers from here on are above all packages and may import everything."""
LIGHT = LAYER_OF["megatron_ko.plan"]
"""Up to this layer, megatron_ko does not import torch."""
# Highest layer of megatron_ko that each other package may import; packages do not import each other.
MAY_IMPORT = {"preprocessing": FORMATS, "checkpoint_tools": PLANNING}

HEAVY = {"torch", "megatron", "transformers", "transformer_engine"}
# External libraries at the top of a module of megatron_ko, by part; inside functions more is allowed.
AT_THE_TOP: dict[str, set[str]] = {
    "megatron_ko.config": {"pydantic", "yaml", "typing_extensions"},
    "megatron_ko.formats": {"pydantic"},
    # numpy in the order of samples, which only training imports (tests/test_light_imports.py)
    "megatron_ko.planning": {"pydantic", "numpy"},
}


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
        """Our module that is imported, or from which a name is imported."""
        parts = self.name.split(".")
        return next((n for i in range(len(parts), 1, -1) if (n := ".".join(parts[:i])) in NAMES), None)


@lru_cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[Import, ...]:
    def visit(node: ast.AST, at_the_top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, at_the_top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import; write the package's name"
                yield from (
                    Import(f"{child.module}.{alias.name}", child.lineno, at_the_top) for alias in child.names
                )
            elif not isinstance(child, ast.expr):  # an expression contains no import
                inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
                yield from visit(child, at_the_top and not inside)

    return tuple(visit(tree(path), True))


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


EVERY = [path for package in PACKAGES for path in files(package)]
MODULES = [path for path in EVERY if path.name != "__init__.py"]
NAMES = {name_of(path) for path in MODULES}


def part_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def problems_of(paths: list[Path], is_wrong) -> list[str]:
    """``file:line: name`` of every import that ``is_wrong(path, import)``."""
    return [
        f"{path.relative_to(ROOT)}:{item.line}: imports {item.name}"
        for path in paths
        for item in imports(path)
        if is_wrong(path, item)
    ]


def up_to(layer: int) -> list[Path]:
    """Modules of megatron_ko up to ``layer``."""
    return [
        path
        for path in MODULES
        if path.is_relative_to(ROOT / "megatron_ko") and layer_of(name_of(path)) <= layer
    ]


def layer_of(name: str) -> int:
    return LAYER_OF[part_of(name)]


# --- layers ----------------------------------------------------------------------------------------------


def test_every_part_has_a_layer_and_every_entry_exists():
    assert {part_of(name) for name in NAMES} == set(LAYER_OF)


def test_imports_only_look_down():
    def looks_up(path: Path, item: Import) -> bool:
        if item.package not in PACKAGES:
            return False
        if item.own_module is None:
            return True  # a package as such
        here, there = part_of(name_of(path)), part_of(item.own_module)
        return here != there and LAYER_OF[there] >= LAYER_OF[here]

    assert problems_of(MODULES, looks_up) == []


def test_no_imports_go_in_a_circle():
    graph = {name_of(path): {i.own_module for i in imports(path) if i.own_module} for path in MODULES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(NAMES)


def test_packages_import_only_allowed_layers_of_megatron_ko_and_not_each_other():
    def is_foreign(path: Path, item: Import) -> bool:
        here = path.relative_to(ROOT).parts[0]
        if item.package in ("examples", "tests"):
            return True
        if item.package not in PACKAGES or item.package == here or layer_of(name_of(path)) >= TOP:
            return False
        if item.package != "megatron_ko" or here == "megatron_ko":
            return True
        return layer_of(item.own_module or "") > MAY_IMPORT[here] and here != "checkpoint_tools"

    assert problems_of(MODULES, is_foreign) == []


def test_light_layers_import_nothing_heavy_not_even_inside_functions():
    assert problems_of(up_to(LIGHT), lambda path, item: item.package in HEAVY) == []


def test_light_layers_start_with_few_libraries():
    def is_outside(path: Path, item: Import) -> bool:
        own = AT_THE_TOP.get(part_of(name_of(path)), set())
        return item.at_the_top and item.package not in sys.stdlib_module_names | own | {"megatron_ko"}

    assert problems_of(up_to(LIGHT), is_outside) == []


def test_training_starts_light():
    """These modules import heavy libraries inside functions, after all checks."""
    names = ("megatron_ko.train", "megatron_ko.training.launch", "megatron_ko.training.stop")
    names += ("megatron_ko.initial_weights", "megatron_ko.initial_adapter", "megatron_ko.averaging")
    names += (
        "megatron_ko.importance",
        "megatron_ko.distill",
        "megatron_ko.teacher_weights",
        "megatron_ko.rank_start",
    )

    def is_heavy(path: Path, item: Import) -> bool:
        own = item.own_module
        heavy = own is not None and own not in names and layer_of(own) > LIGHT
        return item.at_the_top and (item.package in HEAVY or heavy)

    assert problems_of([path for path in MODULES if name_of(path) in names], is_heavy) == []


# Layers of megatron_ko.training, lowest first; a module imports only from lower ones.
TRAINING: tuple[tuple[str, ...], ...] = (
    (
        "stop",
        "bucket_gaps",
        "checkpoint_index",
        "cpu",
        "liveness",
        "megatron_notes",
        "token_reading",
        "documents",
        "writer_errors",
        "hashed_writes",
    ),
    ("launch", "distributed", "window_samples", "machine_speed"),
    ("soft_targets", "hidden_states", "main_rank"),
    ("cached_targets",),
    ("attention", "chunks", "vocabulary", "divergences", "engine_attention", "muon", "parallel_layer"),
    ("engine", "megatron_fields", "gemma_layer"),
    ("local_weights", "lora", "optimizer", "data", "metrics"),
    ("model",),
    ("freezing", "losses", "partial_state", "skipping"),
    ("checkpoint", "step", "distillation"),
    ("boundary", "evaluate", "importance", "reporting", "teacher", "cache_writing"),
    ("saving", "restoring"),
)
TRAINING_LAYER_OF = {
    f"megatron_ko.training.{name}": number for number, names in enumerate(TRAINING) for name in names
}
# Allowed imports of modules that run before everything else, serve checkpoint_tools, or change torch.
MAY_IMPORT_OF_OURS: dict[str, set[str]] = {
    "stop": set(),
    "launch": {"megatron_ko.errors", "megatron_ko.training.stop"},
    "checkpoint_index": set(),
    "cpu": set(),
    "megatron_notes": set(),
}


def test_every_module_of_training_has_a_layer():
    modules = {name for name in NAMES if part_of(name) == "megatron_ko.training"}
    assert modules == set(TRAINING_LAYER_OF)


def test_imports_inside_training_only_look_down():
    def looks_up(path: Path, item: Import) -> bool:
        here, there = TRAINING_LAYER_OF.get(name_of(path)), TRAINING_LAYER_OF.get(item.own_module or "")
        return here is not None and there is not None and there >= here

    assert problems_of(MODULES, looks_up) == []


@pytest.mark.parametrize("module", MAY_IMPORT_OF_OURS)
def test_the_lowest_modules_of_training_import_little(module):
    def is_more(path: Path, item: Import) -> bool:
        ours = item.package in PACKAGES and item.own_module not in MAY_IMPORT_OF_OURS[module]
        return ours or (
            module in ("stop", "launch") and item.package not in {*sys.stdlib_module_names, "megatron_ko"}
        )

    assert problems_of([ROOT / "megatron_ko" / "training" / f"{module}.py"], is_more) == []


# Few files use the parts of megatron-core that change between versions. The longest prefix decides.
ONLY_IN = {
    "megatron.core.parallel_state": {"distributed", "model"},
    "megatron.core.transformer.TransformerConfig": {"model"},
    "megatron.core.transformer.transformer_config": {"model"},
    # distributed.py imports these two once, before ranks are forked
    "megatron.core.datasets": {"data", "distributed"},
    "megatron.core.dist_checkpointing": {"checkpoint", "distributed"},
    # descriptions of sharded tensors, which a model provides
    "megatron.core.dist_checkpointing.mapping": {"checkpoint", "local_weights", "partial_state"},
}


def test_only_the_owners_import_parts_of_megatron_core():
    def is_foreign(path: Path, item: Import) -> bool:
        prefixes = [prefix for prefix in ONLY_IN if f"{item.name}.".startswith(f"{prefix}.")]
        return bool(prefixes) and path.stem not in ONLY_IN[max(prefixes, key=len)]

    assert problems_of(files("megatron_ko"), is_foreign) == []


@pytest.mark.parametrize(
    "name, owners", [("TransformerConfig", {"model"}), ("parallel_state", {"distributed", "model"})]
)
def test_only_the_owners_use_names_of_megatron_core(name, owners):
    """Identifiers only: config_rules.py has TransformerConfig in text, to read its fields from the source."""
    users = {
        path.stem
        for path in EVERY
        if name in path.read_text(encoding="utf-8")  # few files are parsed
        for node in ast.walk(tree(path))
        if name in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None))
    }
    assert users == owners


# --- the other packages ----------------------------------------------------------------------------------


def test_preprocessing_imports_nothing_heavy():
    assert problems_of(files("preprocessing"), lambda path, item: item.package in HEAVY) == []


def test_operations_import_nothing_heavy():
    """Except the measurement of GPUs and network, inside a function."""
    paths = files("megatron_ko/operations")

    def is_heavy(path: Path, item: Import) -> bool:
        trains = (item.own_module or "").startswith("megatron_ko.training.")
        return (item.package in {*HEAVY, "numpy"} or trains) and (path.stem != "machines" or item.at_the_top)

    assert problems_of(paths, is_heavy) == []


# The only file that uses training's reader of checkpoint indices, which needs torch and nothing of ours.
READS_INDEX = ("torch_dist", "megatron_ko.training.checkpoint_index")


def test_checkpoint_tools_use_training_in_one_file_and_inside_functions():
    """megatron-core on the CPU changes torch for the whole process."""

    def is_wrong(path: Path, item: Import) -> bool:
        if (path.stem, item.own_module) == READS_INDEX:
            return False
        above = item.package == "megatron_ko" and layer_of(item.own_module or "") > PLANNING
        trains = item.package == "megatron" or above
        harmless = item.own_module == "megatron_ko.training.launch"  # the standard library alone
        return trains and (path.stem != "mcore" or (item.at_the_top and not harmless))

    assert problems_of(files("checkpoint_tools"), is_wrong) == []


def test_checkpoint_tools_use_transformers_only_to_verify():
    """Elsewhere a Hugging Face folder is read as files: safetensors and JSON."""

    def is_wrong(path: Path, item: Import) -> bool:
        return item.package == "transformers" and (
            path.stem not in ("verify", "chat_template") or item.at_the_top
        )

    assert problems_of(files("checkpoint_tools"), is_wrong) == []


def test_checkpoint_tools_start_with_few_libraries():
    known = {*sys.stdlib_module_names, "torch", "safetensors", "pydantic", "yaml", *PACKAGES}

    def is_outside(path: Path, item: Import) -> bool:
        return item.at_the_top and item.package not in known

    assert problems_of(files("checkpoint_tools"), is_outside) == []


# --- names and docstrings --------------------------------------------------------------------------------


def test_packages_contain_only_a_docstring():
    for path in EVERY:
        if path.name == "__init__.py":
            body = tree(path).body
            assert len(body) == 1 and ast.get_docstring(tree(path)), f"{path}: must contain only a docstring"


def test_every_module_has_a_docstring():
    assert [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(tree(path))] == []


def test_modules_are_named_after_what_they_own():
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager", "core", "tools"}
    words = {str(path.relative_to(ROOT)): set(path.stem.split("_")) for path in MODULES}
    assert {path for path, parts in words.items() if parts & vague} == set()


def test_no_module_shares_a_name_with_the_standard_library():
    names = {path.stem for path in MODULES if path.stem != "__main__"} | set(PACKAGES) | {"config"}
    assert names & set(sys.stdlib_module_names) == set()
