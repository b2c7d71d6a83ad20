"""Makes tests independent of each other: repeatable random examples, logging and signals as pytest has set them up.

``--hypothesis-profile default`` draws other examples each time. Also what makes the whole suite short: the kernels are
compiled once while other tests run, and files that take long start first.
"""

import logging
import os
import signal
import subprocess
import sys

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # tests run side by side; threads that wait for each other would take their cores

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
LEVEL = logging.getLogger().level


@pytest.fixture(autouse=True)
def _original_logging():
    """Removes log handlers of commands that ran in this process: their stream no longer exists."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):  # pytest's are of other types
            root.removeHandler(handler)
            handler.close()
    root.setLevel(LEVEL)


@pytest.fixture(autouse=True)
def _original_signals():
    """Undoes what commands that ran in this process do to signals: programs that a later test starts would inherit it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def unchosen_adam(monkeypatch):
    """megatron-core before it has chosen an Adam; what the test chooses is undone at its end."""
    from megatron.core import optimizer
    from megatron.core.optimizer import distrib_optimizer

    for module, name in (
        (optimizer, "USING_PYTORCH_OPTIMIZER"), (optimizer, "Adam"), (distrib_optimizer, "Adam"),
        (distrib_optimizer, "HAVE_APEX_OR_TE"), (distrib_optimizer, "USING_TE_OPTIMIZER"),
        (distrib_optimizer, "USING_APEX_OPTIMIZER"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, None)


# --- the whole suite, side by side ----------------------------------------------------------------------------

# Files that take a minute or more, longest first; with xdist's --no-loadscope-reorder they start in this order. Those that
# use kernels are not in the list, because the kernels are being compiled meanwhile.
LONGEST = (
    "test_stages.py",
    "test_initial_weights.py",
    "test_resume.py",
    "test_parallel.py",
    "test_train.py",
    "test_lora.py",
    "test_accept.py",
    "test_skipping.py",
    "test_checkpoint_defects.py",
    "test_ckpt_parity.py",
    "test_data.py",
    "test_model.py",
    "test_megatron_versions.py",
    "test_train_signals.py",
    "test_launch.py",
    "test_stopped_validation.py",
    "test_failed_saves.py",
    "test_real_slurm.py",
)
COMPILE = """
from preprocessing.running.compilation import compile_groups
from preprocessing.steps.kernel_groups import GROUPS
compile_groups(tuple(GROUPS.values()))
"""
COMPILATION = pytest.StashKey[subprocess.Popen]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compiles all kernels in the background if this process starts workers for all tests; each would compile its own."""
    config = session.config
    if getattr(config.option, "numprocesses", None) and config.args_source is config.ArgsSource.TESTPATHS:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        config.stash[COMPILATION] = subprocess.Popen(
            [sys.executable, "-c", COMPILE], cwd=config.rootpath, **quiet
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    if compilation := config.stash.get(COMPILATION, None):
        compilation.terminate()
        compilation.wait()
