"""Freed memory is kept, unless the user wants it otherwise."""

import os
import subprocess
import sys

import pytest

from preprocessing.running.allocation import SETTINGS

FAULTS = """
import resource, sys
from preprocessing.running.allocation import keep_freed_memory
keep_freed_memory()
size = int(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    b"x" * (size << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = (48 << 20) // 4096


@pytest.mark.skipif("glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="settings of glibc")
@pytest.mark.parametrize("wish, rounds", [({}, 1), ({"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}, 8)])
def test_pages_are_touched_once_unless_the_user_says_otherwise(wish, rounds):
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, "48"],
        env={**environment, **wish},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0.9 * rounds <= int(done.stdout) / PAGES <= 1.1 * rounds + 0.5
