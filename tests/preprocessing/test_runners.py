"""The same results from one process, several, a Slurm array and Ray; nothing runs twice; failures are reported."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from megatron_ko.config.loading import load
from megatron_ko.errors import ConfigError, DataError
from preprocessing.cli import main
from preprocessing.config.pipeline import RULES, Config
from preprocessing.running.context import Context, Task
from preprocessing.running.markers import Marker
from preprocessing.running.processes import ProcessRunner, hold_interrupts
from preprocessing.running.slurm_array import ArrayTask, SlurmRunner, array_task_from_environment
from preprocessing.steps import pipeline
from tests.preprocessing import tasks
from tests.preprocessing.corpus import bytes_of, write_config

TASKS = [Task(f"n{n:03d}", tasks.square, (n,), depends=[n], size=10) for n in range(7)]
SQUARES = [n * n for n in range(7)]


@pytest.fixture
def loaded(tmp_path):
    return load(Config, [str(write_config(tmp_path, documents=2))], [], RULES)


def finish(loaded, runner, some_tasks=TASKS):
    context = Context(loaded, runner)
    try:
        return context.finish("squares", some_tasks, 1)
    finally:
        runner.close()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_files(loaded, tmp_path, workers):
    assert [summary["square"] for summary in finish(loaded, ProcessRunner(workers))] == SQUARES
    first = bytes_of(tmp_path / "out")
    finish(loaded, ProcessRunner(1))
    assert bytes_of(tmp_path / "out") == first


def test_finished_tasks_do_not_run_again(loaded, tmp_path):
    finish(loaded, ProcessRunner(1))
    one = tmp_path / "out" / "steps" / "squares" / "n003.txt"
    times = {path: path.stat().st_mtime_ns for path in one.parent.iterdir()}
    one.unlink()
    finish(loaded, ProcessRunner(1))
    again = {path: path.stat().st_mtime_ns for path in one.parent.iterdir()}
    assert {path.stem for path in times if again[path] != times[path]} == {"n003"}


def test_the_key_covers_what_a_task_depends_on(loaded, tmp_path):
    finish(loaded, ProcessRunner(1))
    marker = Marker(tmp_path / "out", "squares/n002")
    before = marker.key()
    finish(loaded, ProcessRunner(1), [Task("n002", tasks.square, (2,), depends=["other"])])
    assert marker.key() != before


def test_files_of_removed_tasks_are_deleted(loaded, tmp_path):
    context = Context(loaded, ProcessRunner(1))
    context.finish("squares", TASKS, 1)
    context = Context(loaded, ProcessRunner(1))
    context.finish("squares", TASKS[:2], 1)
    context.remove_others("squares")
    names = sorted(path.name for path in (tmp_path / "out" / "steps" / "squares").iterdir())
    assert names == ["n000.json", "n000.txt", "n001.json", "n001.txt"]


def test_a_user_error_of_a_worker_stays_one(loaded):
    with pytest.raises(DataError) as caught:
        finish(loaded, ProcessRunner(2), [*TASKS[:2], Task("bad", tasks.refuse, (1,))])
    assert caught.value.rule == "refused"


def test_a_killed_worker_is_explained(loaded):
    with pytest.raises(DataError) as caught:
        finish(loaded, ProcessRunner(2), [*TASKS[:2], Task("bad", tasks.vanish, (1,))])
    assert caught.value.rule == "worker-killed" and "--workers" in str(caught.value)


def test_workers_end_with_a_killed_parent(loaded, tmp_path):
    """SIGKILL of the parent: no process of its pool is left, and the next run takes up where it was."""
    script = (
        "import sys\n"
        "from megatron_ko.config.loading import load\n"
        "from preprocessing.running.context import Context, Task\n"
        "from preprocessing.running.processes import ProcessRunner\n"
        "from preprocessing.config.pipeline import RULES, Config\n"
        "from tests.preprocessing import tasks\n"
        "if __name__ == '__main__':\n"
        "    context = Context(load(Config, [sys.argv[1]], [], RULES), ProcessRunner(2))\n"
        "    context.finish('squares', [Task(f'n{n:03d}', tasks.slow, (n,), [n]) for n in range(100)], 1)\n"
    )
    folder = tmp_path / "out" / "steps" / "squares"
    (tmp_path / "kill.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "kill.py"), str(tmp_path / "data.yaml")],
        start_new_session=True, cwd=os.getcwd(), env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    until(lambda: len(list(folder.glob("n*.json"))) >= 2)
    group = os.getpgid(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not alive(group))
    done = sorted(path.stem for path in folder.glob("n*.json"))
    assert 2 <= len(done) < 100
    times = {name: (folder / f"{name}.json").stat().st_mtime_ns for name in done}
    finish(loaded, ProcessRunner(1), [Task(f"n{n:03d}", tasks.slow, (n,), [n]) for n in range(len(done) + 1)])
    assert {name: (folder / f"{name}.json").stat().st_mtime_ns for name in done} == times


@pytest.fixture
def interruptible():
    """A test run in the background of a shell (``make test &``) inherits that SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_workers_in_the_middle_of_their_tasks(loaded, tmp_path, interruptible):
    began = [tmp_path / f"began{n}" for n in range(2)]
    compiled_s = 300.0  # workers start after the kernels, which a busy machine compiles for minutes
    timer = threading.Thread(
        target=lambda: (until(lambda: all(path.exists() for path in began), compiled_s), _interrupt())
    )
    runner = ProcessRunner(2)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        finish(loaded, runner, [Task(f"n{n}", tasks.endless, (n, str(path))) for n, path in enumerate(began)])
    timer.join()
    workers = [int(path.read_text()) for path in began]
    until(lambda: not any(running(pid) for pid in workers))
    assert len(finish(loaded, ProcessRunner(2))) == len(TASKS)


def _interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_while_workers_start_comes_when_they_have_started(interruptible):
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with hold_interrupts():
            _interrupt()
            reached.append("end of the block")
        reached.append("behind the block")
    assert reached == ["end of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def running(pid):
    output = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(output.stdout.strip()) and not output.stdout.startswith("Z")


def test_an_interrupted_command_exits_with_75(monkeypatch, tmp_path):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run", interrupted)
    assert main(["run", str(write_config(tmp_path, documents=2))]) == 75


def alive(group):
    output = subprocess.run(["ps", "-eo", "pgid="], capture_output=True, text=True, check=True).stdout.split()
    return str(group) in output


def until(true, timeout_s=30.0):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


# --- Slurm -----------------------------------------------------------------------------------------------


def array(loaded, tasks_of, wait_s=20.0):
    """Runs ``tasks_of(number)`` in a thread per task of an array of two; results or errors by array task."""
    results = {}

    def task(number):
        runner = SlurmRunner(ArrayTask(number, 2, "77"), 1, wait_s)
        try:
            results[number] = finish(loaded, runner, tasks_of(number))
        except DataError as error:
            results[number] = error

    threads = [threading.Thread(target=task, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_array_tasks_share_the_tasks_and_get_all_results(loaded, tmp_path):
    results = array(loaded, lambda number: TASKS)
    assert [[entry["square"] for entry in results[number]] for number in (0, 1)] == [SQUARES, SQUARES]
    together = bytes_of(tmp_path / "out")
    for path in (tmp_path / "out" / "steps" / "squares").iterdir():
        path.unlink()
    finish(loaded, ProcessRunner(1))
    assert bytes_of(tmp_path / "out") == together


def test_the_division_of_tasks_does_not_depend_on_finished_ones(loaded):
    """An array task that starts later finds fewer unfinished tasks; none may be left without an owner."""
    finish(loaded, ProcessRunner(1), TASKS[:1])
    runner = SlurmRunner(ArrayTask(1, 2, "77"), 1, 0.3)
    with pytest.raises(DataError) as caught:
        finish(loaded, runner)
    assert caught.value.rule == "array-task-timeout" and "n002.json" in str(caught.value)
    done = {path.stem for path in Context(loaded).path("squares", "x").parent.glob("*.json")}
    assert done == {"n000", "n001", "n003", "n005"}


def test_a_failure_of_one_task_ends_the_others(loaded):
    bad = [TASKS[0], Task("bad", tasks.refuse, (1,))]
    results = array(loaded, lambda number: bad)
    assert (results[1].rule, results[0].rule) == ("refused", "array-task-failed")
    assert str(results[1]) in str(results[0])


def test_an_array_task_that_never_starts_is_reported(loaded):
    with pytest.raises(DataError) as caught:
        finish(loaded, SlurmRunner(ArrayTask(0, 2, "77"), 1, 0.5))
    assert caught.value.rule == "array-task-timeout"


def test_the_array_task_comes_from_the_environment():
    variables = {
        "SLURM_ARRAY_TASK_ID": "5",
        "SLURM_ARRAY_TASK_COUNT": "4",
        "SLURM_ARRAY_TASK_MIN": "3",
        "SLURM_ARRAY_JOB_ID": "9",
    }
    assert array_task_from_environment(variables) == ArrayTask(2, 4, "9")
    with pytest.raises(ConfigError) as caught:
        array_task_from_environment({})
    assert caught.value.rule == "not-in-a-job-array" and "SLURM_ARRAY_TASK_ID" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        array_task_from_environment({**variables, "SLURM_ARRAY_TASK_ID": "9"})
    assert caught.value.rule == "job-array-with-gaps"


# --- Ray -------------------------------------------------------------------------------------------------


def test_ray_gives_the_same_files(loaded, tmp_path):
    pytest.importorskip("ray")
    from preprocessing.running.ray_cluster import RayRunner

    finish(loaded, ProcessRunner(1))
    expected = bytes_of(tmp_path / "out")
    for path in (tmp_path / "out" / "steps" / "squares").iterdir():
        path.unlink()
    assert [summary["square"] for summary in finish(loaded, RayRunner(None, 2))] == SQUARES
    assert bytes_of(tmp_path / "out") == expected
    assert (
        json.loads((tmp_path / "out" / "steps" / "squares" / "n000.json").read_text())["summary"]["square"]
        == 0
    )
