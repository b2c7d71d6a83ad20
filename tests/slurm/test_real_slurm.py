"""``mko submit`` on a real Slurm of two nodes: a run trains, is stopped and requeued, loses ranks, hangs, crashes, and ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from megatron_ko.files import sha256_file
from megatron_ko.formats.job_folder import log_folder
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.operations import code_copy, control, status, submit
from megatron_ko.tables import width_of
from tests.slurm.local_slurm import needs_slurm, wait_until
from tests.slurm.submitted import OPTIONS, Run, stop_process, uninterrupted, write_run

pytestmark = needs_slurm


def test_a_submitted_run_saves_when_it_is_asked_to_and_continues_like_one_that_nobody_stopped(
    slurm, tmp_path, monkeypatch, capsys
):
    """Stopped by the signal that Slurm sends before the time limit."""
    run = Run(slurm, tmp_path, monkeypatch, 24)
    assert submit.main(["train.yaml", *OPTIONS]) == 2, "the run is in Slurm"
    run.wait_for_step(3)
    slurm.signal(run.job, signal.SIGUSR1)
    run.wait_for_requeue()
    capsys.readouterr()
    assert status.main([str(run.folder)]) == 0
    shown = capsys.readouterr().out
    assert (
        "exit code 75" in shown
        and "waiting" in shown
        and all(width_of(line) <= 80 for line in shown.splitlines())
    ), shown
    run.wait_for_end()
    [first, last] = run.ends()
    assert (first["code"], first["requeued"], last["code"]) == (75, True, 0)
    logs = log_folder(run.folder, run.submission.name, run.job)
    assert {"rank_00000.log", "rank_00001.log", "environment.txt"} <= {path.name for path in logs.iterdir()}
    (tmp_path / "plain").mkdir()
    plain = [write_run(tmp_path / "plain"), "training.steps=24"]
    assert run.curve() == uninterrupted(tmp_path / "plain", plain)


@pytest.mark.slow
def test_a_killed_rank_is_requeued_and_a_run_that_mko_stop_ends_is_not(slurm, tmp_path, monkeypatch, capsys):
    run = Run(slurm, tmp_path, monkeypatch, 4000)
    run.wait_for_checkpoint()
    run.ranks()[0].kill()
    run.wait_for_requeue()
    assert run.ends()[0]["code"] in (137, 76) and run.ends()[0]["requeued"]
    newest = checkpoints_of(run.folder)[-1]
    content = sha256_file(newest / "checkpoint.json")
    wait_until(lambda: slurm.idle_nodes() == 2, "two idle nodes", run.text)
    slurm.start_now(run.job)
    run.wait_for_step(int(newest.name[5:]) + 5)
    assert control.main([str(run.folder)]) == 0
    run.wait_for_end("FAILED")
    assert (run.ends()[-1]["code"], run.ends()[-1]["requeued"]) == (75, False)
    assert len(checkpoints_of(run.folder)) > 1 and sha256_file(newest / "checkpoint.json") == content
    capsys.readouterr()
    assert status.main([str(run.folder)]) == 0
    assert "stopped" in capsys.readouterr().out
    assert slurm.job(run.job)["Restarts"] == "1"


@pytest.mark.slow
def test_a_rank_that_hangs_is_killed_by_the_watchdog_after_it_wrote_its_stacks(slurm, tmp_path, monkeypatch):
    # longer than the imports of a busy machine, and shorter than the time limit of a collective
    run = Run(slurm, tmp_path, monkeypatch, 60, "run.timeout_s=600.0", "--hang-s", "60")
    run.wait_for_checkpoint()
    stop_process(run.ranks()[1])
    run.wait_for_requeue()
    assert run.ends()[0]["code"] == 137 and run.ends()[0]["requeued"]
    assert "no sign of life" in run.text() and "most recent call first" in run.text()
    run.wait_for_end()


@pytest.mark.slow
def test_a_crash_at_the_same_step_twice_ends_the_run_and_keeps_the_logs(slurm, tmp_path, monkeypatch, capsys):
    run = Run(slurm, tmp_path, monkeypatch, 60)
    run.wait_for_checkpoint()
    step = run.job_folder / "code" / "megatron_ko" / "training" / "step.py"
    slurm.run("scontrol", "requeue", run.job)  # like a preemption
    text = step.read_text(encoding="utf-8")
    crash = "    if training.steps and (count := globals().setdefault('COUNT', [0])) is not None:\n        count[0] += 1\n        assert count[0] < 3, 'the crash of the test'\n"
    where = "    totals = sum_batches("
    step.write_text(text.replace(where, crash + where, 1), encoding="utf-8")
    run.wait_for_end("FAILED")
    crashes = [end for end in run.ends() if end["code"] != 75]  # the requeue may have let the ranks save
    assert [(end["code"], end["requeued"]) for end in crashes] == [(1, True), (1, False)]
    assert crashes[0]["step"] == crashes[1]["step"]
    capsys.readouterr()
    assert status.main([str(run.folder)]) == 0
    shown = capsys.readouterr().out
    assert "failed" in shown and "the crash of the test" in shown


@pytest.mark.slow
def test_a_chain_goes_on_where_the_job_before_it_ended(slurm, tmp_path, monkeypatch):
    run = Run(slurm, tmp_path, monkeypatch, 20, "--chain", "2")
    first, second = run.submission.jobs
    assert slurm.job(second)["Dependency"].startswith("singleton")
    run.wait_for_end()
    wait_until(lambda: slurm.job(second)["JobState"] == "COMPLETED", "the second job", run.text)
    assert [(end["job"], end["code"]) for end in run.ends()] == [(first, 0), (second, 0)]


@pytest.mark.slow  # Slurm waits a minute for the lost node
def test_a_run_that_loses_a_node_is_requeued_and_continues(slurm, tmp_path, monkeypatch):
    run = Run(slurm, tmp_path, monkeypatch, 60)
    run.wait_for_checkpoint()
    slurm.kill_node("beta")
    slurm.start_node("beta")
    run.wait_for_requeue()
    assert checkpoints_of(run.folder)
    run.wait_for_end()


@pytest.mark.slow  # Slurm waits for the daemon, then requeues the job
@pytest.mark.parametrize("node", ["alpha", "beta"], ids=["of rank 0", "of the last rank"])
def test_a_run_whose_node_loses_only_its_daemon_is_requeued_and_continues_alike(
    slurm, tmp_path, monkeypatch, node
):
    """The ranks of that node go on until they miss the others; the old and the new start never train at once."""
    constant = ["schedule={type: constant}", "training.sequence_length=32"]
    run = Run(slurm, tmp_path, monkeypatch, 20_000, *constant)
    run.wait_for_checkpoint()
    slurm.kill_daemon(node)
    run.wait_for_requeue()
    slurm.start_node(node)
    before = run.step()
    run.start_again()
    run.wait_for_step(before + 5)
    assert control.main([str(run.folder)]) == 0
    run.wait_for_end("FAILED")
    curve = run.curve()
    assert [step for step, *_ in curve] == list(range(1, len(curve) + 1))
    (tmp_path / "plain").mkdir()
    plain = uninterrupted(
        tmp_path / "plain", [write_run(tmp_path / "plain"), *constant, f"training.steps={len(curve)}"]
    )
    assert curve == plain


@pytest.mark.slow
def test_the_time_limit_of_slurm_lets_a_run_save_and_requeues_it(slurm, tmp_path, monkeypatch):
    """Two minutes, of which Slurm takes the last 100 seconds for the save."""
    run = Run(slurm, tmp_path, monkeypatch, 4000, "--time", "2")
    run.wait_for_requeue()
    first = run.ends()[0]
    assert first["code"] in (75, 138) and first["requeued"], run.text()
    assert control.main([str(run.folder)]) == 0  # the job waits: it is canceled
    wait_until(lambda: slurm.job(run.job)["JobState"] in ("CANCELLED", "FAILED"), "the end", run.text)


@pytest.mark.slow
def test_a_node_that_the_preflight_blames_is_excluded_from_the_restart(slurm, tmp_path, monkeypatch):
    copy = code_copy.copy_code

    def copy_for_a_broken_node(target: Path) -> int:
        count = copy(target)
        path = target / "megatron_ko" / "operations" / "machine_facts.py"
        code = path.read_text(encoding="utf-8")
        broken = (
            "    if os.environ.get('SLURMD_NODENAME') == 'beta':\n        return 'error: the disk is gone'\n"
        )
        where = "    path = Path(config.data.manifest).expanduser()\n"
        assert where in code
        path.write_text(code.replace(where, broken + where, 1), encoding="utf-8")
        return count

    monkeypatch.setattr(code_copy, "copy_code", copy_for_a_broken_node)
    run = Run(slurm, tmp_path, monkeypatch, 10, preflight=True)
    run.wait_for_requeue()
    wait_until(lambda: slurm.job(run.job)["ExcNodeList"] == "beta", "the exclusion", run.text)
    [end] = run.ends()
    assert (end["code"], end["blamed"], end["requeued"]) == (77, ["beta"], True)
    assert not run.metrics()
    assert control.main([str(run.folder), "--now"]) == 0


@pytest.mark.slow
def test_a_conversion_starts_once_the_training_is_done_and_not_after_one_that_failed(
    slurm, tmp_path, monkeypatch
):
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    bad = Run(slurm, tmp_path / "bad", monkeypatch, 10, "--convert", "exported", "--max-restarts", "0")
    slurm.run("scancel", bad.job)
    run = Run(slurm, tmp_path / "good", monkeypatch, 10, "--convert", "exported", preflight=True)
    run.wait_for_end()
    wait_until(
        lambda: slurm.job(run.submission.others["convert"])["JobState"] == "COMPLETED",
        "the conversion",
        run.text,
    )
    assert (tmp_path / "good" / "exported" / "config.json").is_file()
    assert slurm.job(bad.submission.others["convert"])["JobState"] == "CANCELLED"
    assert not (tmp_path / "bad" / "exported").exists()
