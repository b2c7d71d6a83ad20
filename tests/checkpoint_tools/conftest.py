"""Tiny random Hugging Face models, with values large enough that a wrong order of weights changes the logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from megatron_ko.errors import UserError, exit_code_of

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.5,
    "high_freq_factor": 6.0,
    "original_max_position_embeddings": 32,
}
PHI_ROPE = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.4}
SHAPE = {
    "vocab_size": 1001,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}


def _configs():
    from transformers import (
        Gemma2Config,
        GPTNeoXConfig,
        LlamaConfig,
        MistralConfig,
        PhiConfig,
        Qwen2Config,
        Qwen3Config,
    )

    per_head = {"num_key_value_heads": 2, "rms_norm_eps": 1e-6}
    return {
        # 4 query heads of 32 on 2 groups: head size is not hidden / heads
        "gqa": LlamaConfig(
            **SHAPE, num_key_value_heads=2, head_dim=32, rms_norm_eps=1e-5, rope_parameters=LLAMA3
        ),
        "mha": LlamaConfig(
            **SHAPE, num_key_value_heads=4, rms_norm_eps=1e-6, tie_word_embeddings=True, dtype="bfloat16"
        ),
        "qwen2": Qwen2Config(**SHAPE, num_key_value_heads=2, rms_norm_eps=1e-6, eos_token_id=[5, 7]),
        "qwen3": Qwen3Config(**SHAPE, **per_head, head_dim=32, eos_token_id=[5, 7]),
        # 6 heads of 16: they do not divide the hidden size, as in Kanana-nano
        "mistral": MistralConfig(
            **{**SHAPE, "num_attention_heads": 6}, **per_head, head_dim=16, sliding_window=None
        ),
        "gpt_neox": GPTNeoXConfig(**SHAPE, rotary_pct=0.5, rotary_emb_base=20_000),
        # caps so low that they change the logits
        "gemma2": Gemma2Config(
            **SHAPE,
            num_key_value_heads=2,
            head_dim=32,
            query_pre_attn_scalar=24,
            sliding_window=128,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=3.0,
            rms_norm_eps=1e-6,
        ),
        "phi": PhiConfig(**SHAPE, num_key_value_heads=2, rope_parameters=PHI_ROPE),
    }


@pytest.fixture(scope="session")
def hf_models(tmp_path_factory) -> dict[str, Path]:
    """``gqa`` (llama3 rope, untied, several shards), ``mha`` (tied, bf16, one file), ``qwen2`` (biases), ``qwen3`` (norms of
    queries and keys), ``mistral`` (heads that do not divide the hidden size), ``gpt_neox`` (parallel residual, query, key and
    value in one matrix), ``phi`` (one norm, a bias of the output, 6 rotated dimensions of 16), ``gemma2`` (soft caps, tied)."""
    import torch
    from transformers import AutoModelForCausalLM

    folders = {}
    for name, config in _configs().items():
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for weight, parameter in model.named_parameters():
                parameter.normal_(1.0 if "norm" in weight and "bias" not in weight else 0.0, 0.2)
        folders[name] = tmp_path_factory.mktemp(f"hf_{name}")
        dtype = torch.bfloat16 if name == "mha" else torch.float32
        model.to(dtype).save_pretrained(folders[name], max_shard_size="300KB" if name == "gqa" else "1GB")
    return folders


@pytest.fixture(scope="session")
def checkpoints(hf_models, tmp_path_factory) -> dict[str, Path]:
    """The same models as megatron_ko checkpoints."""
    folders = {name: tmp_path_factory.mktemp("ours") / name for name in hf_models}
    for name, folder in folders.items():
        assert run_quietly("from-hf", src=hf_models[name], dst=folder) == 0
    return folders


def run_quietly(operation: str, **options: object) -> int:
    from checkpoint_tools.__main__ import main

    return main([operation, *command_line(operation, options)])


def command_line(operation: str, options: dict[str, object]) -> list[str]:
    """``options`` by the names of their fields, as the words that a user types."""
    from checkpoint_tools.options.commands import OPERATIONS

    words: list[str] = []
    inputs = OPERATIONS[operation].inputs
    for key, value in sorted(
        options.items(), key=lambda item: inputs.index(item[0]) if item[0] in inputs else len(inputs)
    ):
        flag = "--" + key.replace("_", "-")
        if key in inputs:
            words.append(str(value))
        elif isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, (list, tuple)):
            words += [flag, *map(str, value)]
        else:
            words += [flag, str(value)]
    return words


@pytest.fixture
def run() -> Callable[..., int]:
    return run_quietly


@pytest.fixture
def expect_error(capsys, monkeypatch) -> Callable[..., UserError]:
    """Runs an operation that must end with exit code 2 and one readable error, which is returned."""
    errors: list[UserError] = []

    def record(main: Callable[[], int | None], **keywords: Any) -> int:
        def run_main() -> int | None:
            try:
                return main()
            except UserError as error:
                errors.append(error)
                raise

        return exit_code_of(run_main, **keywords)

    monkeypatch.setattr("checkpoint_tools.__main__.exit_code_of", record)

    def check(operation: str, **options: object) -> UserError:
        capsys.readouterr()
        code = run_quietly(operation, **options)
        printed = capsys.readouterr().err
        assert code == 2, printed
        assert str(errors[-1]) in printed and "Traceback" not in printed
        return errors[-1]

    return check
