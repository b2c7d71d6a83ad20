"""DeepSeek's law at the two sizes of the paper, and where mko plan prints it."""

from __future__ import annotations

import pytest

from megatron_ko import plan
from megatron_ko.config.model import ModelConfig
from megatron_ko.planning.scaling_law import at_flops, suggest
from tests.tiny_run import write_tiny_run


def test_the_law_gives_the_values_of_the_paper_within_its_band():
    # 7B at 2T tokens: C = (72 x 30 x 4096^2 + 12 x 30 x 4096 x 4096) x 2e12; used 4.2e-4 and 2304 x 4096 tokens
    found = at_flops((72 * 30 * 4096**2 + 12 * 30 * 4096 * 4096) * 2e12)
    assert found.learning_rate == pytest.approx(4.246e-4, rel=1e-3)
    assert found.batch_tokens == pytest.approx(9.22e6, rel=1e-3)
    assert at_flops((72 * 95 * 8192**2 + 12 * 95 * 8192 * 4096) * 2e12).learning_rate == pytest.approx(
        3.12e-4, rel=2e-3
    )


@pytest.mark.parametrize("tied", [False, True])
def test_flops_are_those_of_the_weights_outside_the_vocabulary(tied):
    model = ModelConfig(
        layers=2, hidden_size=8, ffn_hidden_size=16, heads=2, kv_groups=1, max_sequence_length=32, tied_embeddings=tied
    )  # fmt: skip
    # per layer: qkv 8 x (8 + 4 + 4), proj 8 x 8, fc1 8 x 32, fc2 16 x 8, two norms of 8; final norm 8
    weights = 2 * (128 + 64 + 256 + 128 + 16) + 8
    assert suggest(model, 32, 10).flops == (6 * weights + 12 * 2 * 8 * 32) * 10


def test_plan_prints_it_on_request_alone(tmp_path, capsys):
    config = write_tiny_run(tmp_path)
    assert plan.main([config, "--suggest"]) == 0 and "2401.02954" in capsys.readouterr().out
    assert plan.main([config]) == 0 and "2401.02954" not in capsys.readouterr().out
