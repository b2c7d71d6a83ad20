"""Kanana in full size: the ledger of its compute, configurations that fit and plan, and the chain on substitutes for Slurm."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from examples.kanana import cluster, ledger
from examples.kanana.chain import KANANA
from megatron_ko import plan as plan_command
from megatron_ko.errors import EXIT_USER_ERROR
from megatron_ko.formats.job_folder import Submission, new_job_folder, write_submission
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.job import steps
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.run_plan import Plan

ROOT = Path(__file__).resolve().parents[2]
FULL = ROOT / "examples" / "kanana" / "full"
PARAMETERS = {"teacher": 8_030_261_248, "4.5b": 4_512_746_496, "2.1b": 2_086_979_328, "9.8b": 9_775_157_248}
TOKENS = {"teacher": 100e9, "4.5b": 300e9, "2.1b": 300e9, "9.8b": 200e9}
LIMIT_GIB = 70.0
"""Of the 79.6 GiB of an H100; the plan counts no buffers and no fragmentation."""
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "max_position_embeddings": 8192, "vocab_size": 128256, "rms_norm_eps": 1e-5, "rope_theta": 5e5,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip


# --- the ledger ------------------------------------------------------------------------------------------


def test_the_ledger_of_growth_is_the_papers() -> None:
    found = ledger.growth(ledger.BASES, ledger.GROWN, ledger.SCRATCH)
    assert found.saving == 1 - Decimal("112.86") / Decimal("126.9")
    assert found.share == Decimal("8.46") / Decimal("126.9")
    assert (f"{found.saving:.2%}", f"{found.share:.2%}") == ("11.06%", "6.67%")
    exact = ledger.growth_of_exact_counts()
    own = 3 * 8.030261248 + 3 * 26.8 + 0.2 * (9.775157248 + 32.5)
    assert float(exact.saving) == pytest.approx(1 - own / (3 * (9.775157248 + 32.5)))
    assert "11.06%" in ledger.describe() and "6.67%" in ledger.describe()


def llama_flops(
    hidden: int, ffn: int, heads: int, groups: int = 8, size: int = 128, layers: int = 32
) -> float:
    """FLOPs of training per token, from the matrices and half of full attention over 8,192 tokens."""
    attention = hidden * size * (2 * heads + 2 * groups)
    return 6 * (layers * (attention + 3 * hidden * ffn) + 128256 * hidden) + 6 * layers * heads * size * 8192


def test_the_ledger_of_the_chain_counts_student_and_teacher() -> None:
    teacher = llama_flops(4096, 14336, 32)
    rows = {row.name: row for row in (*ledger.chain_rows(), ledger.scratch_row())}
    for name, cut in KANANA.items():
        tokens = 71_526 * 512 * 8192
        assert (rows[name].parameters, rows[name].tokens) == (PARAMETERS[name], tokens)
        assert rows[name].student_flops == pytest.approx(
            tokens * llama_flops(cut.hidden_size, cut.ffn_hidden_size, cut.heads)
        )
        assert rows[name].teacher_flops == pytest.approx(tokens * teacher / 3)
    assert rows["teacher"].flops == pytest.approx(23_842 * 512 * 8192 * teacher)
    scratch = rows["2.1b from scratch"]
    assert rows["2.1b"].student_flops / scratch.flops == pytest.approx(0.1, rel=1e-4)
    assert scratch.gpu_hours(0.5) == pytest.approx(scratch.flops / (0.5 * 989.4e12 * 3600))
    lines = ledger.describe().splitlines()
    assert max(map(len, lines)) <= 80
    readme = (FULL.parent / "README.md").read_text(encoding="utf-8")
    assert [line for line in lines if line.strip() and line.rstrip() not in readme] == [], (
        "the README has the ledger"
    )


@pytest.mark.parametrize("value", ["0", "1.1", "nan", "x"])
def test_a_wrong_utilization_is_refused(value: str) -> None:
    assert ledger.main(["--utilization", value]) == EXIT_USER_ERROR


# --- configurations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [1, 4, 16, 64])
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_configuration_fits_its_nodes(name: str, nodes: int) -> None:
    config = load_training([str(FULL / f"{name}.yaml")], [], layout_rules(8 * nodes)).config
    plan = Plan.of(config, 8 * nodes, teachers={"runs/8b": ledger.teacher_model()})
    assert plan.parameters == PARAMETERS[name]
    assert plan.total_tokens == pytest.approx(TOKENS[name], rel=1e-4)
    assert plan.memory.total_bytes / 2**30 < LIMIT_GIB
    assert bool(plan.teacher_parameters) == (name in KANANA)
    assert plan.tokens_per_step == 512 * 8192


def test_every_configuration_is_covered() -> None:
    assert {path.stem for path in FULL.iterdir()} == set(PARAMETERS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the examples and the teacher's configuration, and substitutes for Slurm's commands on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    answers = {
        "sbatch": 'printf "%s\\n" "$*" >> "$RECORD/sbatch.calls"\necho "$(($(wc -l < "$RECORD/sbatch.calls") + 900))"',
        "squeue": 'echo "Invalid job id specified" >&2; exit 1',
        "sacct": "true",
    }
    for name, text in answers.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "cluster.env").write_text("GPUS_PER_NODE=8\n", encoding="utf-8")
    (tmp_path / "runs/8b").mkdir(parents=True)
    (tmp_path / "runs/8b/config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", PARAMETERS)
def test_mko_plan_accepts_a_configuration(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan_command.main([f"examples/kanana/full/{name}.yaml", "--world-size", "128"]) == 0
    shown = capsys.readouterr().out
    assert f"{PARAMETERS[name]:,} parameters" in shown
    assert ("teacher      8,030,261,248 parameters" in shown) == (name in KANANA)


# --- the chain on a cluster ------------------------------------------------------------------------------


class Cluster:
    """Stands for ``mko`` on a cluster: writes what scoring, pruning and a submission leave behind."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(self, command: Sequence[str]) -> int:
        words = dict(word.split("=", 1) for word in command if "=" in word)
        self.ran.append(" ".join(command[1:3]))
        if command[1] == "importance":
            path = Path(command[command.index("--out") + 1])
            path.parent.mkdir(parents=True)
            path.touch()
        elif command[1] == "checkpoint":
            Path(command[4]).mkdir(parents=True)
            (Path(command[4]) / "verification.json").touch()
        else:
            run = Path(load_training([command[2]], []).config.run.folder)
            job = str(100 + len(self.ran))
            write_submission(
                new_job_folder(run),
                Submission(
                    run.name, [job], {}, 16, 8, 8, "24:00:00", 10, 60, 1, ".", "me", "login", 0.0, "", "venv"
                ),
            )
            assert Path(words["model.from"]).is_dir()
        return 0


def finish(name: str, step: int) -> None:
    marker = checkpoint_folder(f"runs/kanana/full/{name}", step) / "checkpoint.json"
    marker.parent.mkdir(parents=True)
    marker.touch()


def calls(folder: Path) -> list[str]:
    path = folder / "sbatch.calls"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_the_chain_goes_on_after_each_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Cluster()
    monkeypatch.setattr(steps, "run_command", programs)
    monkeypatch.setattr(cluster, "run_command", programs)
    assert cluster.main(["--nodes", "16"]) == 0
    assert len(calls(folder)) == 1 and "--dependency" not in calls(folder)[0] and not programs.ran
    script = (folder / "runs/kanana/full/chain.sh").read_text(encoding="utf-8")
    assert "examples.kanana.cluster --advance --nodes 16" in script and "#SBATCH --nodes=1\n" in script
    go_on = ["--advance", "--nodes", "16"]
    assert cluster.main(go_on) == 0
    first = [
        "importance examples/clusters/8b.yaml",
        "checkpoint prune",
        "submit examples/kanana/full/4.5b.yaml",
    ]
    assert programs.ran == first
    assert calls(folder)[1].startswith(
        f"--parsable --chdir={folder}/runs/kanana/full --dependency=afterok:103 "
    )
    # squeue answers with the id that it is asked for
    (folder / "bin/squeue").write_text(
        '#!/bin/bash\nid=${3#--jobs=}; echo "$id|RUNNING|None||1:00"\n', encoding="utf-8"
    )
    assert cluster.main(go_on) == 0
    assert programs.ran == first and len(calls(folder)) == 2, "a training that runs is not submitted again"
    (folder / "bin/squeue").write_text(
        '#!/bin/bash\necho "Invalid job id specified" >&2; exit 1\n', encoding="utf-8"
    )
    assert cluster.main(go_on) == 0
    assert programs.ran[3:] == first[2:], "a training that ended before its last step continues"
    finish("4.5b", 71_526)
    assert cluster.main(go_on) == 0
    second = [
        "importance examples/kanana/full/4.5b.yaml",
        "checkpoint prune",
        "submit examples/kanana/full/2.1b.yaml",
    ]
    assert programs.ran[4:] == second
    finish("2.1b", 71_526)
    assert cluster.main(go_on) == 0
    assert programs.ran[4:] == second and len(calls(folder)) == 4, "the chain is done"


def test_a_corrected_teacher_comes_first_and_teaches(folder: Path) -> None:
    options = cluster.parse(["--correct-teacher", "--manifest", "my data/manifest.json"])
    teacher, *students = cluster.links_of(options, 8)
    assert teacher.steps == () and "checkpoint.initial_weights=runs/8b" in teacher.words
    for link in students:
        assert "distillation.teacher=runs/kanana/full/teacher" in link.words
    assert students[0].steps[1].command[3] == "runs/kanana/full/teacher", "the first student is cut from it"
    assert students[1].steps[1].command[3] == "runs/kanana/full/4.5b"
    every = [word for link in students for step in link.steps for word in step.command]
    assert every.count("data.manifest=my data/manifest.json") == 2


def test_the_printed_script_is_one_for_bash_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cluster.main(["--print", "--teacher", "my teacher; rm x"]) == 0
    shown = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=shown, text=True, check=False).returncode == 0
    assert "--teacher 'my teacher; rm x'" in shown.splitlines()[-1]
    assert shown.count("mko submit ") == 2 and not (folder / "runs/kanana").exists() and not calls(folder)


def test_another_teacher_needs_another_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cluster.main(["--nodes", "4"]) == 0
    assert cluster.main(["--nodes", "8", "--teacher", "runs/other"]) == EXIT_USER_ERROR
    assert cluster.main(["--nodes", "8", "--correct-teacher"]) == EXIT_USER_ERROR
    assert len(calls(folder)) == 1
    (folder / "cluster.env").write_text(
        "GPUS_PER_NODE=8\nRUNTIME=apptainer\nIMAGE=/x.sif\n", encoding="utf-8"
    )
    assert cluster.main(["--nodes", "8"]) == EXIT_USER_ERROR, "a container cannot submit"


@pytest.mark.parametrize("settings", [["--nodes", "0"], ["--after", "x"], ["--node", "1"]])
def test_mistakes_are_reported_before_anything_starts(settings: list[str], folder: Path) -> None:
    assert cluster.main(settings) == EXIT_USER_ERROR
    assert not (folder / "runs/kanana").exists()
