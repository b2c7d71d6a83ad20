"""Kernels compiled in advance: what a step needs, counted, once."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from megatron_ko.errors import UserError
from megatron_ko.operations.code_copy import copy_code
from preprocessing.kernels import compiled, tables
from preprocessing.kernels.cache_folder import choose_folder
from preprocessing.kernels.compiled import called_by
from preprocessing.running.compilation import Group, compile_groups
from preprocessing.steps import kernel_groups
from preprocessing.steps.order import STEPS
from tests.test_layers import ROOT

# Calls every group, then runs all steps; prints the kernels that were compiled or loaded for other types on the way.
RUN_ALL = """
import json, sys
from pathlib import Path
from megatron_ko.config.loading import load
from preprocessing.cli import main
from preprocessing.config.pipeline import RULES, Config
from preprocessing.kernels.compiled import KERNELS
from preprocessing.running.processes import ProcessRunner
from preprocessing.steps import pipeline
from preprocessing.steps.kernel_groups import GROUPS
from tests.preprocessing.golden import inside
from tests.preprocessing.golden_inputs import write_inputs

folder = Path(sys.argv[1])
config = write_inputs(folder)
for group in GROUPS.values():
    group.kernels()
    group.call()
before = {id(kernel): len(kernel.signatures) for kernel in KERNELS}
with inside(folder):
    assert main(["train-quality", config.name]) == 0
    loaded = load(Config, [config.name], ["tokenizer.english_only=false"], RULES)
    pipeline.run(loaded, "run", ProcessRunner(1))
new = [kernel for kernel in KERNELS if len(kernel.signatures) > before.get(id(kernel), 0)]
print(json.dumps([f"{kernel.py_func.__module__}.{kernel.py_func.__name__}" for kernel in new]))
"""


def test_the_calls_of_the_groups_compile_everything_that_a_run_needs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_groups_belong_to_steps_or_commands_and_name_modules_with_kernels():
    assert kernel_groups.GROUPS.keys() <= {*STEPS, "tokens-encode", "extend"}
    for group in kernel_groups.GROUPS.values():
        modules = {kernel.py_func.__module__.rpartition(".")[2] for kernel in group.kernels()}
        assert modules >= set(group.modules)


def test_kernels_called_by_a_module_are_those_of_other_modules_too():
    (keys_of,) = (k for k in called_by([tables.__name__]) if k.py_func.__name__ == "keys_of")
    assert keys_of is tables.keys_of
    modules = {kernel.py_func.__module__ for kernel in called_by([tables.__name__])}
    assert modules == {tables.__name__, "preprocessing.kernels.characters"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "CACHE", tmp_path)
    return tmp_path


def test_a_group_is_compiled_and_logged_once(cache, caplog):
    caplog.set_level(logging.INFO)
    calls = []
    group = Group("a", ("tables",), lambda: calls.append("a"))
    assert not group.is_compiled
    compile_groups([group])
    assert group.is_compiled and calls == ["a"]
    assert [record.getMessage().split()[0] for record in caplog.records] == ["compiling", "compiled"]
    compile_groups([group, Group("a", (), lambda: calls.append("again"))])
    assert calls == ["a"] and len(caplog.records) == 2


def test_a_group_that_fails_is_compiled_again(cache):
    def fail():
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        compile_groups([Group("a", (), fail)])
    calls = []
    compile_groups([Group("a", (), lambda: calls.append("a"))])
    assert calls == ["a"]


def test_a_group_that_another_process_is_compiling_is_waited_for(cache, caplog):
    caplog.set_level(logging.INFO)
    calls = []
    group = Group("a", (), lambda: calls.append("a"))
    with open(cache / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=compile_groups, args=[[group]])
        waiting.start()
        deadline = time.monotonic() + 30
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
        assert waiting.is_alive()
        group._note.touch()
    waiting.join()
    assert calls == []


def test_steps_without_kernels_compile_nothing(cache):
    kernel_groups.compile_for(["filter", "balance", "validate"])
    assert list(cache.iterdir()) == []


# --- the folder ------------------------------------------------------------------------------------------

# Compiles one kernel or loads it; prints whether it was compiled.
ONE_KERNEL = """
import numpy as np
from preprocessing.kernels import compiled
from preprocessing.kernels.minhash import agreements

agreements(np.zeros((2, 4), np.uint32), np.array([1]), np.array([0]))
stats = agreements.stats
print(compiled.__file__, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_a_copy_of_the_packages_loads_what_was_compiled_elsewhere(tmp_path):
    copy_code(tmp_path / "copy")
    found = []
    for folder in (ROOT, tmp_path / "copy", tmp_path / "copy"):
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(folder)}
        environment.pop("NUMBA_CACHE_DIR", None)
        done = subprocess.run(
            [sys.executable, "-c", ONE_KERNEL], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        file, hits, misses = done.stdout.split()
        assert file.startswith(str(folder))
        found.append((bool(int(hits)), bool(int(misses))))
    assert found == [(False, True), (True, False), (True, False)]


def test_a_node_without_a_writable_cache_compiles_into_its_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert choose_folder("v") == (tmp_path / "cache" / "megatron_ko" / "kernels" / "v", "")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder, why = choose_folder("v")
    own = tmp_path / f"megatron_ko-{os.geteuid()}"
    assert folder == own / "kernels" / "v" and str(tmp_path / "file") in why
    assert own.stat().st_mode & 0o777 == 0o700


def test_a_folder_without_locks_is_not_used(tmp_path, monkeypatch):
    def flock(file, operation):
        if str(tmp_path / "shared") in file.name:
            raise OSError(38, "locks are not implemented")

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", flock)
    folder, why = choose_folder("v")
    assert folder.is_relative_to(tmp_path / f"megatron_ko-{os.geteuid()}") and "not implemented" in why


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_temporary_folder_that_others_can_reach_is_refused(tmp_path, monkeypatch, mode):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"megatron_ko-{os.geteuid()}"
    own.mkdir()
    own.chmod(mode)  # code is loaded from it
    with pytest.raises(UserError) as caught:
        choose_folder("v")
    assert caught.value.rule == "no-cache-folder"
