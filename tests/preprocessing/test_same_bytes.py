"""The whole pipeline by 1, 2 and 4 processes, by two tasks of a Slurm array, and by Ray: the same bytes everywhere."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from preprocessing.cli import main
from tests.preprocessing.corpus import bytes_of, write_config

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "preprocess.sbatch"
SPLIT = ["inputs.ko.split_bytes=12000", "inputs.en.split_bytes=12000", "balance.shard_bytes=9000"]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """``(config, content of the output of one process)``, the inputs cut into several ranges."""
    folder = tmp_path_factory.mktemp("one")
    config = write_config(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(command(config, "--workers", "1")) == 0
    contents = bytes_of(folder / "out")
    assert sum(name.startswith("steps/clean/ko-") and name.endswith(".json") for name in contents) > 1
    return config, contents


def command(config, *more):
    """Writes to ``out`` in the working directory: the name is part of ``tokens/blend.txt``."""
    return ["run", str(config), *SPLIT, "output.folder=out", *more]


def equal(actual, expected):
    assert actual.keys() == expected.keys()
    assert [name for name in expected if actual[name] != expected[name]] == []


@pytest.mark.parametrize("workers", [pytest.param("2", marks=pytest.mark.slow), "4"])
def test_processes(one, tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    assert main(command(one[0], "--workers", workers)) == 0
    equal(bytes_of(tmp_path / "out"), one[1])


def test_a_slurm_array_of_two_tasks(one, tmp_path):
    """Two real processes with the environment of an array, started together, through the script that is submitted."""
    tasks = [
        subprocess.Popen(
            ["bash", str(SCRIPT), *command(one[0], "--wait-minutes", "5")],
            cwd=tmp_path,
            env={
                **os.environ, "PYTHON": sys.executable, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "2",
                "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1",
            },
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )
        for task in (0, 1)
    ]  # fmt: skip
    errors = [task.communicate(timeout=240)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], errors
    equal(bytes_of(tmp_path / "out"), one[1])


@pytest.mark.slow  # test_runners has a small corpus
def test_ray(one, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    assert main(command(one[0], "--runner", "ray", "--workers", "2")) == 0
    equal(bytes_of(tmp_path / "out"), one[1])


def test_the_way_the_input_is_cut_does_not_change_the_corpus(one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(one[0]), "output.folder=out", "balance.shard_bytes=9000", "--workers", "1"]) == 0
    names = ("tokens/", "tokenizer/", "manifest.json")
    actual = {name: content for name, content in bytes_of(tmp_path / "out").items() if name.startswith(names)}
    equal(actual, {name: content for name, content in one[1].items() if name.startswith(names)})
    for path in (tmp_path / "out" / "clean").glob("*.parquet"):  # row groups may end elsewhere
        whole = pq.read_table(io.BytesIO(one[1][f"clean/{path.name}"]))
        assert pq.read_table(path).equals(whole)
