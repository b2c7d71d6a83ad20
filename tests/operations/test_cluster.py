"""``cluster.env`` is read strictly and never executed; the one in ``slurm/`` is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from megatron_ko.errors import ConfigError
from megatron_ko.operations.cluster import NAMES, read_cluster, seconds_of, shown_variables

ROOT = Path(__file__).resolve().parents[2]


def problems_of(tmp_path: Path, text: str) -> list[tuple[str, str, str]]:
    path = tmp_path / "cluster.env"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_cluster(path)
    return [
        (problem.where.rpartition(":")[2], problem.path, problem.rule) for problem in caught.value.problems
    ]


def test_the_file_of_the_sources_names_everything():
    path = ROOT / "slurm" / "cluster.env"
    cluster = read_cluster(path)
    text = path.read_text(encoding="utf-8")
    assert all(f"\n{name}=" in text for name in NAMES)
    assert (cluster.gpus_per_node, cluster.exclusive, cluster.memory) == (8, "yes", "0")
    assert cluster.variables["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("line", "name", "rule"),
    [
        ("PARTITON=gpu", "PARTITON", "unknown-name"),
        ("PATH=/evil", "PATH", "unknown-name"),
        ("WANDB_API_KEY=abc", "WANDB_API_KEY", "secret"),
        ("NCCL_TOKEN=abc", "NCCL_TOKEN", "secret"),
        ("PARTITION=gpu; rm -rf x", "PARTITION", "string-pattern-mismatch"),
        ("MODULES=cuda && touch x", "MODULES", "string-pattern-mismatch"),
        ("PYTHON=$HOME/python", "PYTHON", "expansion"),
        ("IMAGE=`id`", "IMAGE", "expansion"),
        ("GPUS_PER_NODE=-1", "GPUS_PER_NODE", "greater-than-equal"),
        ("GPUS_PER_NODE=nan", "GPUS_PER_NODE", "int-parsing"),
        (f"GPUS_PER_NODE={'9' * 5000}", "GPUS_PER_NODE", "int-parsing-size"),
        ("GPUS_PER_NODE=99999999", "GPUS_PER_NODE", "less-than-equal"),
        ("CPUS_PER_RANK=0", "CPUS_PER_RANK", "greater-than-equal"),
        ("SAVE_BEFORE_S=1e3", "SAVE_BEFORE_S", "int-parsing"),
        ("TIME=soon", "TIME", "string-pattern-mismatch"),
        ("MEMORY=lots", "MEMORY", "string-pattern-mismatch"),
        ("RUNTIME=docker", "RUNTIME", "literal-error"),
        ("EXCLUSIVE=true", "EXCLUSIVE", "literal-error"),
        ("module load cuda", "", "not-an-assignment"),
        ("export NCCL_DEBUG=INFO", "", "not-an-assignment"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, name, rule):
    found = problems_of(tmp_path, f"# a comment\n\n{line}\n")
    assert len(found) == 1 and found[0][1:] == (name, rule)
    assert found[0][0] == "3"


def test_all_mistakes_are_reported_at_once(tmp_path):
    found = problems_of(tmp_path, "QOS=a\nQOS=b\nX=1\nRUNTIME=pyxis\n")
    assert {rule for _, _, rule in found} == {"duplicate-name", "unknown-name", "missing-image"}


def test_quotes_and_empty_values(tmp_path):
    path = tmp_path / "cluster.env"
    path.write_text("PARTITION=\nTIME='2-00:00:00'\nUCX_TLS=\"rc x\"\nNCCL_DEBUG=\n", encoding="utf-8")
    cluster = read_cluster(path)
    assert (cluster.partition, cluster.time, cluster.variables) == ("", "2-00:00:00", {"UCX_TLS": "rc x"})


def test_a_missing_file_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_cluster(tmp_path / "none.env")
    assert caught.value.rule == "unreadable-file"


def test_secrets_are_not_shown():
    environment = {
        "SLURM_JOB_ID": "1", "NCCL_DEBUG": "INFO", "NCCL_API_KEY": "s", "HF_TOKEN": "s", "HOME": "/h", "CUDA_PASSWORD": "s",
    }  # fmt: skip
    assert shown_variables(environment) == {"NCCL_DEBUG": "INFO", "SLURM_JOB_ID": "1"}


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("12:00:01", 43201),
        ("2-00", 172800),
        ("1-02:03", 93780),
        ("1-02:03:04", 93784),
    ],
)
def test_the_spellings_of_a_time_limit(limit, seconds):
    assert seconds_of(limit) == seconds
