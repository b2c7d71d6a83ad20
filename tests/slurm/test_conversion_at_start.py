"""A run from a Hugging Face folder whose conversion takes longer than a run may hang, on a real Slurm of two nodes."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from megatron_ko.formats.job_folder import read_heartbeat
from megatron_ko.formats.run_folder import INITIAL_WEIGHTS
from megatron_ko.initial_weights import TEMPORARY
from megatron_ko.operations import code_copy, control
from tests.megatron_ko.test_initial_weights import write_base, write_run
from tests.slurm.local_slurm import needs_slurm, wait_until
from tests.slurm.submitted import Run, stop_process, write_cluster
from tests.tiny_data import write_tiny_data

pytestmark = [*needs_slurm, pytest.mark.slow]
HANG_S, SLOW_S = 60, 100
# In the copied code of the job: the conversion computes for SLOW_S seconds before it converts.
WHERE = "    from checkpoint_tools.formats import hf\n"
SLOW = f"""\
    temporary.mkdir()
    end = time.monotonic() + {SLOW_S}
    while time.monotonic() < end:
        pass
    temporary.rmdir()
"""


@pytest.fixture
def run(slurm, tmp_path, monkeypatch) -> Run:
    """Collectives may take a third of the time of the conversion."""
    copy = code_copy.copy_code

    def copy_slowed(target: Path) -> int:
        count = copy(target)
        path = target / "megatron_ko" / "initial_weights.py"
        code = path.read_text(encoding="utf-8")
        assert WHERE in code
        path.write_text(code.replace(WHERE, SLOW + WHERE, 1), encoding="utf-8")
        return count

    monkeypatch.setattr(code_copy, "copy_code", copy_slowed)
    write_cluster(tmp_path)
    write_tiny_data(tmp_path / "data")
    config = write_run(tmp_path, write_base(tmp_path, "llama"), tmp_path / "run")
    return Run(
        slurm,
        tmp_path,
        monkeypatch,
        4,
        f"run.timeout_s={SLOW_S / 3:.0f}",
        "--hang-s",
        str(HANG_S),
        config=config,
    )


def test_a_slow_conversion_is_waited_for_by_the_watchdog_and_by_the_other_ranks(run):
    wait_until(lambda: (run.folder / TEMPORARY).is_dir(), "the conversion", run.text)
    begin = time.time()
    run.wait_for_end()
    assert not run.restarts(), run.text()
    assert run.metrics()[0]["time"] - begin > max(HANG_S, SLOW_S / 3), "the conversion was not slow enough"
    assert (run.folder / INITIAL_WEIGHTS).is_dir()


def test_a_conversion_that_hangs_is_ended(run):
    wait_until(lambda: (run.folder / TEMPORARY).is_dir(), "the conversion", run.text)
    converts = [p for rank in run.ranks() for p in rank.children() if "spawn_main" in " ".join(p.cmdline())]
    assert len(converts) == 1
    beat = read_heartbeat(run.folder)
    assert beat is not None
    stop_process(converts[0])
    run.wait_for_requeue()
    assert (run.ends()[0]["code"], run.ends()[0]["requeued"]) == (137, True), run.text()
    assert "no sign of life" in run.text()
    assert not psutil.wait_procs(converts, timeout=20)[1]
    assert control.main([str(run.folder), "--now"]) == 0
