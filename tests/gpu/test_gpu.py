"""On a GPU: our modules compute and train as on the CPU, checkpoints change the device, a killed run goes on.

The parts of the acceptance with tiny models; each compares the device with the CPU.
"""

from __future__ import annotations

import pytest
import torch

from tests.gpu.core_parts import CORE
from tests.gpu.feature_parts import FEATURES
from tests.gpu.real_tokens import write_real_tokens
from tests.gpu.shapes import Setting, find_card

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU on this host"),
]
PARTS = {name: part for name, part in {**CORE, **FEATURES}.items() if not name.startswith("speed")}


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    work = tmp_path_factory.mktemp("gpu")
    return Setting("cuda", True, work, write_real_tokens(work / "data"), find_card())


@pytest.mark.parametrize("name", PARTS)
def test_the_gpu_agrees_with_the_cpu(setting, name):
    assert PARTS[name](setting).failures == []
