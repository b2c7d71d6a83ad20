"""The light layers, preprocessing and every --help import no torch, so they start fast."""

from __future__ import annotations

import subprocess
import sys

import pytest

from megatron_ko.config.schema import key_inside
from megatron_ko.config.training import Config
from tests.test_layers import HEAVY, LIGHT, ROOT, files, name_of, up_to

LIGHT_MODULES = [name_of(path) for path in up_to(LIGHT)]
PREPROCESSING = [
    name_of(path)
    for path in files("preprocessing")
    if path.stem not in ("__init__", "__main__")
    and path.parent.name != "adapters"  # they import their framework
]

# Runs a module as `python -m` does and prints the imported top-level modules to stderr.
RUN = """
import runpy, sys
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
finally:
    print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def run(script: str, *arguments: str) -> tuple[int, str, set[str]]:
    """Exit code, stdout, and the top-level modules that were imported."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,  # a new machine compiles the kernels first
        check=False,
        cwd=ROOT,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, set(done.stderr.rpartition("imported:")[2].split())


@pytest.mark.parametrize(
    "modules",
    [
        LIGHT_MODULES,
        ["megatron_ko.train", "megatron_ko.importance", "megatron_ko.training.launch"],
        PREPROCESSING,
        ["checkpoint_tools.__main__"],
    ],
    ids=["light layers", "train", "preprocessing", "checkpoint_tools"],
)
def test_importing_brings_nothing_heavy(modules):
    report = "print('imported:', *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    code, _, imported = run(f"import sys, {', '.join(modules)}\n{report}")
    assert code == 0
    assert imported & HEAVY == set()
    assert modules[0].partition(".")[0] in imported


HELPS = [
    (["megatron_ko", "--help"], "checkpoint"),
    (["megatron_ko", "train", "--help"], "--ranks"),
    (["megatron_ko.train", "--help"], "--ranks"),
    (["megatron_ko", "importance", "--help"], "--leave-out"),
    (["megatron_ko.plan", "--help"], "--world-size"),
    (["preprocessing", "--help"], "deduplicate"),
    (["preprocessing", "clean", "--help"], "--dry-run"),
    (["preprocessing", "tokenizer", "extend", "--help"], "--min-count"),
    (["checkpoint_tools", "--help"], "from-hf"),
    (["megatron_ko", "submit", "--help"], "--nodes"),
    (["megatron_ko", "status", "--help"], "--lines"),
    (["megatron_ko.operations.batch", "--help"], "exit code of the ranks"),
    (["checkpoint_tools", "from-hf", "--help"], "--tensor-parallel"),
]


@pytest.mark.parametrize(
    "arguments, word", HELPS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_help_is_there_and_imports_nothing_slow(arguments, word):
    code, printed, imported = run(RUN, *arguments)
    assert code == 0
    assert word in printed
    assert imported & {*HEAVY, "numpy", "pyarrow", "numba"} == set()


def test_the_help_of_training_is_the_manual_of_every_section():
    _, printed, _ = run(RUN, "megatron_ko.train", "--help")
    for name, info in Config.__pydantic_fields__.items():
        assert f"\n{name}{key_inside(info.annotation)}:\n" in printed
        assert " ".join(info.description.split()) in " ".join(printed.split())
