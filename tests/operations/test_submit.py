"""``mko submit`` with substitutes for Slurm's commands: what it checks, copies, submits, and refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from megatron_ko.formats.job_folder import (
    STOP_REQUEST,
    job_folders,
    new_job_folder,
    read_submission,
    request,
)
from megatron_ko.formats.model_source import load_training
from megatron_ko.operations import code_copy, submit
from tests.tiny_run import write_tiny_run

# Each substitute records its arguments; sbatch prints increasing ids until it has none left.
SBATCH = """#!/bin/bash
printf '%s\\n' "$@" "" >> "$RECORD/sbatch.calls"
count=$(cat "$RECORD/count" 2> /dev/null || echo 0)
((count < ${MOST:-99})) || { echo "sbatch: error: too many jobs" >&2; exit 1; }
echo $((count + 1)) > "$RECORD/count"
echo "$((count + 101));cluster"
"""
SQUEUE = '#!/bin/bash\n[[ -z $QUEUE ]] || { printf "%s\\n" "$QUEUE"; exit 0; }\necho "slurm_load_jobs error: Invalid job id specified" >&2; exit 1\n'
SCANCEL = '#!/bin/bash\nprintf "%s\\n" "$*" >> "$RECORD/scancel.calls"\n'
NOTHING = "#!/bin/bash\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a run, a cluster, and substitutes for Slurm's commands on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL), ("sacct", NOTHING)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_tiny_run(tmp_path)
    (tmp_path / "cluster.env").write_text("GPUS_PER_NODE=0\n", encoding="utf-8")
    return tmp_path


def test_a_submission_contains_everything_and_a_second_one_changes_nothing(folder, capsys):
    assert submit.main(["train.yaml", "--nodes", "2", "training.steps=20"]) == 0
    [job] = job_folders(folder / "run")
    submission = read_submission(job)
    assert (submission.jobs, submission.world_size, submission.steps) == (["101"], 2, 20)
    assert submission.hang_s == 60 + 120
    config = load_training([str(job / "config.yaml")], []).config
    assert config == load_training(["train.yaml"], ["training.steps=20"]).config
    calls = (folder / "sbatch.calls").read_text(encoding="utf-8").split("\n")
    assert calls[:3] == ["--parsable", f"--chdir={folder / 'run'}", str(job / "job.sh")]
    before = {path: path.read_bytes() for path in job.rglob("*.*") if path.is_file()}
    request(folder / "run", STOP_REQUEST)
    assert submit.main(["train.yaml", "--skip-preflight"]) == 0
    assert not (folder / "run" / STOP_REQUEST).exists(), "an old request does not stop the new job"
    assert [path.name for path in job_folders(folder / "run")] == ["0001", "0002"]
    assert before == {path: path.read_bytes() for path in before}
    assert "mko status" in capsys.readouterr().out


def test_the_copied_code_runs_without_the_sources(folder):
    assert submit.main(["train.yaml"]) == 0
    [job] = job_folders(folder / "run")
    code = job / "code"
    assert not list(code.rglob("__pycache__"))
    done = subprocess.run(
        [sys.executable, str(code / "start.py"), "megatron_ko.__main__", "plan", str(job / "config.yaml")],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.startswith("ranks"), done.stderr
    (code / "megatron_ko" / "plan.py").write_text("raise SystemExit('the copy')\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(code / "start.py"), "megatron_ko.__main__", "plan"],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "the copy" in done.stderr, "the copy comes before an installed package and the working folder"


def test_print_shows_the_script_and_writes_nothing(folder, capsys):
    assert submit.main(["train.yaml", "--print", "--nodes", "4", "--time", "1-00:00:00"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("#!/bin/bash\n#SBATCH --job-name=run-") and "#SBATCH --time=1-00:00:00\n" in shown
    assert not (folder / "run").exists() and not (folder / "sbatch.calls").exists()
    assert subprocess.run(["bash", "-n"], input=shown, text=True, check=False).returncode == 0


def test_a_chain_and_a_dependency(folder):
    assert submit.main(["train.yaml", "--chain", "3", "--after", "77"]) == 0
    calls = (folder / "sbatch.calls").read_text(encoding="utf-8")
    assert calls.count("--dependency=afterok:77,singleton\n") == 3
    [job] = job_folders(folder / "run")
    assert read_submission(job).jobs == ["101", "102", "103"]


DATA = """\
output: {folder: data}
inputs: {ko: {type: text, lang: ko, paths: [x/*.txt]}}
domains: {ko: {langs: [ko]}}
"""


def test_data_training_conversion_and_evaluation_from_one_command(folder, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    (folder / "data.yaml").write_text(DATA, encoding="utf-8")
    (folder / "data" / "manifest.json").unlink()
    steps = [
        "--data",
        "data.yaml",
        "--data-tasks",
        "4",
        "--convert",
        "my model",
        "--evaluate",
        "kobest_boolq",
    ]
    assert submit.main(["train.yaml", "model.vocab_size=1001", "--chain", "2", *steps]) == 0, (
        capsys.readouterr().err
    )
    calls = (folder / "sbatch.calls").read_text(encoding="utf-8").split("\n\n")
    options = [[line for line in call.split("\n") if line.startswith("--dependency")] for call in calls[:5]]
    assert options == [
        [], ["--dependency=afterok:101,singleton"], ["--dependency=afterok:101,singleton"],
        ["--dependency=afterok:103"], ["--dependency=afterok:104"],
    ]  # fmt: skip
    [job] = job_folders(folder / "run")
    assert read_submission(job).jobs == ["102", "103"]
    assert read_submission(job).others == {"data": "101", "convert": "104", "evaluate": "105"}
    data, convert = ((job / f"{name}.sh").read_text(encoding="utf-8") for name in ("data", "convert"))
    assert "#SBATCH --array=0-3" in data and f"run {job / 'data.yaml'} --runner slurm" in data
    assert f"to-hf {folder / 'run'} '{folder / 'my model'}'" in convert
    for name in ("data", "convert", "evaluate"):
        assert subprocess.run(["bash", "-n", str(job / f"{name}.sh")], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--evaluate", "kmmlu"], "--convert"),
        (["--convert", "data"], "already exists"),
        (["--convert", "new", "--evaluate", "a;b"], "names of tasks"),
        (["--data", "data.yaml", "data.manifest=other/manifest.json"], "data.manifest"),
        (["--data", "none.yaml"], "none.yaml"),
    ],
)
def test_steps_that_cannot_follow_each_other_are_refused(folder, capsys, arguments, words):
    (folder / "data.yaml").write_text(DATA, encoding="utf-8")
    assert submit.main(["train.yaml", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (folder / "run").exists() and not (folder / "sbatch.calls").exists()


def test_a_chain_that_slurm_cuts_short_is_canceled_and_leaves_no_job_folder(folder, monkeypatch, capsys):
    monkeypatch.setenv("MOST", "2")
    assert submit.main(["train.yaml", "--chain", "3"]) == 2
    assert (folder / "scancel.calls").read_text(encoding="utf-8").split() == ["--quiet", "101", "102"]
    assert "too many jobs" in capsys.readouterr().err
    assert not job_folders(folder / "run") and not list((folder / "run" / "job").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train.yaml", "--nodes", "3"], "training.global_batch_size"),
        (["train.yaml", "data.manifest=none.json"], "none.json"),
        (["train.yaml", "model.layers=0"], "model.layers"),
        (["train.yaml", "run.device=cuda"], "GPUS_PER_NODE"),
        (["train.yaml", "--nodes", "0"], "--nodes"),
        (["train.yaml", "--nodes", "9" * 5000], "--nodes"),
        (["train.yaml", "--hang-s", "1"], "--hang-s"),
        (["train.yaml", "--time", "soon; touch x"], "--time"),
        (["train.yaml", "--time", "10"], "SAVE_BEFORE_S"),
        (["train.yaml", "--after", "1; touch x"], "--after"),
        (["train.yaml", "--cluster", "none.env"], "none.env"),
        ([], "mko submit CONFIG.yaml"),
    ],
)
def test_mistakes_are_reported_before_anything_is_written(folder, capsys, arguments, words):
    assert submit.main(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (folder / "run").exists() and not (folder / "sbatch.calls").exists()


def test_hostile_names_reach_slurm_as_one_argument(folder):
    name = "a b; touch x $(touch x) %j 'q'"
    tree = yaml.safe_load(Path("train.yaml").read_text(encoding="utf-8"))
    tree["run"]["folder"] = str(folder / name)
    Path("hostile.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert submit.main(["hostile.yaml"]) == 0
    calls = (folder / "sbatch.calls").read_text(encoding="utf-8").split("\n")
    assert f"--chdir={folder / name}" in calls
    script = (job_folders(folder / name)[0] / "job.sh").read_text(encoding="utf-8")
    directives = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert not any(set(line) & set(";$'()") for line in directives)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert not list(folder.rglob("x"))


def test_a_run_that_is_in_slurm_is_refused(folder, monkeypatch, capsys):
    assert submit.main(["train.yaml"]) == 0
    monkeypatch.setenv("QUEUE", "101|PENDING|Priority||1:00:00")
    assert submit.main(["train.yaml"]) == 2
    assert "101" in capsys.readouterr().err and len(job_folders(folder / "run")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_run_folder_of_another_user_is_refused(folder, capsys):
    (folder / "run").mkdir()
    os.chown(folder / "run", 12345, 12345)
    assert submit.main(["train.yaml"]) == 2
    assert "12345" in capsys.readouterr().err


def test_without_slurm_the_error_says_so(folder, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert submit.main(["train.yaml"]) == 2
    assert "sbatch is not installed" in capsys.readouterr().err
    assert not job_folders(folder / "run")


def test_two_submissions_at_once_get_two_folders(tmp_path):
    assert [new_job_folder(tmp_path).name for _ in range(3)] == ["0001", "0002", "0003"]


def test_revision_names_changed_files(tmp_path):
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True
        )

    assert code_copy.revision(tmp_path) == "unknown"
    git("init", "-q")
    (tmp_path / "megatron_ko").mkdir()
    (tmp_path / "megatron_ko" / "a.py").write_text("a\n")
    git("add", "-A")
    git("commit", "-qm", "first")
    clean = code_copy.revision(tmp_path)
    assert len(clean) == 40 and code_copy.changes(tmp_path) == ""
    (tmp_path / "megatron_ko" / "a.py").write_text("b\n")
    assert code_copy.revision(tmp_path) == f"{clean}-changed" and "+b" in code_copy.changes(tmp_path)
