"""The table of families in the conversion guide is that of the program.

python -m tests.checkpoint_tools.test_families      # writes the table into the guide
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.options.conversion import ToHf
from megatron_ko.config.model import ModelConfig, RopeConfig
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.hf_config import read_config
from megatron_ko.formats.hf_families import FAMILIES, REFUSED, Family, family_for
from tests.test_layers import ROOT

GUIDE = ROOT / "docs" / "conversion-guide.md"
BEGIN, END = "<!-- families -->\n", "<!-- end of families -->\n"
MODEL = ModelConfig(
    layers=2, hidden_size=64, ffn_hidden_size=96, heads=4, kv_groups=2, max_sequence_length=128
)
NEOX = {
    "norm": "layer",
    "residual": "parallel",
    "feed_forward": "gelu",
    "qkv_bias": True,
    "linear_bias": True,
}


GEMMA2 = {
    "norm": "rms_shifted", "residual": "sandwich", "feed_forward": "geglu_tanh", "embedding_scale": True,
    "attention_cap": 50.0, "logit_cap": 30.0, "attention_size": 144,
}  # fmt: skip
RESIDUALS = {
    "sequential": "", "parallel": "parallel", "parallel_one_norm": "parallel, one norm", "sandwich": "norms of what is added",
}  # fmt: skip


def _biases(family: Family) -> str:
    own = [
        ("q, k, v", family.qkv_bias),
        ("all projections", family.linear_bias),
        ("output", family.output_bias),
    ]
    return ", ".join(name for name, has in own[family.linear_bias :] if has)


def _norms(family: Family) -> str:
    names = {"rms": "RMSNorm", "rms_shifted": "RMSNorm, 1 + weight", "layer": "LayerNorm"}
    return names[family.norm] + (", of q and k too" if family.qk_norm else "")


def _forward(family: Family) -> str:
    names = {"swiglu": "SwiGLU", "geglu_tanh": "GeGLU"}
    return ", ".join(dict.fromkeys(names.get(kind, "GELU") for kind in family.activations.values()))


def _more(family: Family) -> str:
    facts = {"rotation of a part of the head": family.rotates_a_part, "soft caps": family.has_caps,
             "scaled embeddings": family.embedding_scale}  # fmt: skip
    return ", ".join(name for name, has in facts.items() if has)


def table() -> str:
    lines = [
        "| `model_type` | such as | norms | feed-forward | residual | biases | and |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, family in FAMILIES.items():
        residuals = " or ".join(filter(None, (RESIDUALS[residual] for residual in family.residuals)))
        cells = [_norms(family), _forward(family), residuals, _biases(family), _more(family)]
        lines.append(f"| `{name}` | {family.example} | {' | '.join(cells)} |")
    lines += ["", "| refused | because of |", "|---|---|"]
    lines += [f"| `{name}` | {reason} |" for name, reason in REFUSED.items()]
    return "\n".join(lines) + "\n"


def test_the_guide_has_the_table_of_families():
    assert GUIDE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0] == table()


@pytest.mark.parametrize("name", [*REFUSED, "unheard-of"])
def test_refused_families_are_refused_with_what_is_missing(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": name}))
    with pytest.raises(CheckpointError) as caught:
        read_config(tmp_path)
    assert caught.value.rule == "unsupported-model" and REFUSED.get(name, "llama") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "llama"),
        ({"heads": 6, "head_size": 16}, "mistral"),
        ({"qkv_bias": True}, "qwen2"),
        ({"heads": 6, "head_size": 16, "qkv_bias": True}, "qwen2"),
        ({"qk_norm": True}, "qwen3"),
        ({**NEOX, "kv_groups": 4}, "gpt_neox"),
        ({**NEOX, "kv_groups": 4, "residual": "sequential", "feed_forward": "gelu_tanh"}, "gpt_neox"),
        ({**NEOX, "output_bias": True, "residual": "parallel_one_norm"}, "phi"),
        (GEMMA2, "gemma2"),
        ({**GEMMA2, "logit_cap": None, "attention_cap": None, "attention_size": None}, "gemma2"),
    ],
)
def test_a_model_is_exported_as_the_first_family_that_expresses_it(changes, expected):
    family = family_for(replace(MODEL, **changes))
    assert family is not None and family.model_type == expected


def test_the_option_of_the_export_lists_all_families():
    chosen = get_args(get_args(get_type_hints(ToHf)["family"])[0])
    assert chosen == tuple(FAMILIES)


@pytest.mark.parametrize(
    "changes",
    [
        {"qkv_bias": True, "qk_norm": True},
        NEOX,  # groups of queries
        {"norm": "layer"},
        {**GEMMA2, "embedding_scale": False},
        {"logit_cap": 30.0},
        {"attention_size": 64},
        {"rope": RopeConfig(fraction=0.5)},
    ],
)
def test_a_model_that_no_family_expresses_cannot_be_exported(changes):
    with pytest.raises(CheckpointError) as caught:
        exported_family("x", replace(MODEL, **changes))
    assert caught.value.rule == "no-hugging-face-model"


def write(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    path.write_text(head + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write(GUIDE)
