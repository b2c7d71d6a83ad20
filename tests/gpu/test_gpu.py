"""On a GPU: our modules compute and train as on the CPU, checkpoints change the device, a killed run goes on; each switch of
``speed`` trains like the plain path.

The parts of the acceptance with tiny models.
"""

from __future__ import annotations

import pytest
import torch

from megatron_ko.planning.installed import uses_engine
from tests.gpu.core_parts import CORE
from tests.gpu.feature_parts import FEATURES
from tests.gpu.real_tokens import write_real_tokens
from tests.gpu.shapes import Setting, find_card
from tests.gpu.switches import SWITCHES, compare, reason_to_skip
from tests.gpu.te_parts import compare_specs, packing

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU on this host"),
]
PARTS = {
    name: part for name, part in {**CORE, **FEATURES}.items() if not name.startswith(("speed", "switches"))
}


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    work = tmp_path_factory.mktemp("gpu")
    return Setting("cuda", True, work, write_real_tokens(work / "data"), find_card())


@pytest.mark.parametrize("name", PARTS)
def test_the_gpu_agrees_with_the_cpu(setting, name):
    assert PARTS[name](setting).failures == []


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_trains_like_the_plain_path(setting, name):
    if reason := reason_to_skip(name, "cuda"):
        pytest.skip(reason)
    outcome = compare(setting, [name])
    assert outcome.failures == [], outcome.numbers


@pytest.mark.skipif(not uses_engine(), reason="Transformer Engine is not installed")
@pytest.mark.parametrize("part", [compare_specs, packing])
def test_transformer_engine_agrees_with_our_layers(setting, part):
    assert part(setting).failures == []
