"""A local Slurm for the tests of one file."""

from __future__ import annotations

import pytest

from tests.slurm.local_slurm import local_slurm


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with local_slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running
