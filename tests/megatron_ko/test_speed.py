"""The section ``speed`` without a GPU: each switch and the fields of megatron-core it sets, and what excludes what."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
import weakref
from typing import Any

import pytest
import torch

from megatron_ko.config.fp8 import BlockwiseFp8, DelayedFp8, Mxfp8, NoFp8, TensorwiseFp8
from megatron_ko.config.loading import load
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig, RunConfig, TrainingConfig
from megatron_ko.errors import ConfigError
from megatron_ko.planning import speed
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.installed import uses_engine
from megatron_ko.planning.speed import Switches, decide
from megatron_ko.training.megatron_fields import data_parallel_fields, optimizer_fields, transformer_fields
from tests.megatron_ko.test_fp8 import GPU
from tests.ranks import on_ranks

MODEL = ModelConfig(
    layers=2, hidden_size=32, ffn_hidden_size=64, heads=4, kv_groups=2, max_sequence_length=64, vocab_multiple=8
)  # fmt: skip
RECIPES: list[Any] = [
    NoFp8(),
    TensorwiseFp8(type="tensorwise"),
    DelayedFp8(type="delayed", parameter_gather=True),
    BlockwiseFp8(type="blockwise"),
    Mxfp8(type="mxfp8", parameter_gather=True),
]
NAMES = [recipe.type for recipe in RECIPES]


@pytest.fixture
def machine(monkeypatch):
    """Sets what is installed on this machine."""

    def install(engine: bool, apex: str = "none") -> None:
        monkeypatch.setattr(speed, "uses_engine", lambda: engine)
        monkeypatch.setattr(speed, "find_apex", lambda: apex)

    return install


# --- defaults --------------------------------------------------------------------------------------------


def test_the_cpu_takes_nothing_by_default(machine):
    for engine, own in itertools.product((False, True), repeat=2):
        machine(engine, "compiled")
        assert decide(SpeedConfig(), "cpu", NoFp8(), own_layers=own) == Switches()


def test_defaults_of_a_gpu_with_and_without_transformer_engine(machine):
    machine(engine=True)
    with_engine = decide(SpeedConfig(), "cuda", NoFp8())
    assert with_engine == Switches(
        layers="engine", attention="auto", overlap_grad_reduce=True, overlap_param_gather=True,
        fused_gradient_accumulation=True, fused_rope=True, fused_swiglu=True, fused_residual=True,
        fused_norm_linear=True, adam="engine",
    )  # fmt: skip
    machine(engine=False)
    own = decide(SpeedConfig(), "cuda", NoFp8())
    assert own == Switches(
        attention="sdpa", overlap_grad_reduce=True, overlap_param_gather=True, fused_swiglu=True, fused_residual=True
    )  # fmt: skip
    machine(engine=False, apex="compiled")
    assert decide(SpeedConfig(), "cuda", NoFp8()) == dataclasses.replace(own, adam="apex")
    for build in ("namesake", "uncompiled"):
        machine(engine=False, apex=build)
        assert decide(SpeedConfig(), "cuda", NoFp8()) == own


def test_adapters_have_own_layers_and_gather_at_once(machine):
    machine(engine=True)
    switches = decide(SpeedConfig(), "cuda", NoFp8(), own_layers=True)
    assert (switches.layers, switches.attention, switches.overlap_grad_reduce) == ("own", "sdpa", True)
    assert not switches.overlap_param_gather and not switches.fused_rope


def test_fp8_and_fields_of_transformer_engine_choose_its_layers(machine):
    machine(engine=False)  # a plan for another machine
    assert decide(SpeedConfig(), "cuda", RECIPES[1]).layers == "engine"
    wishes = (
        SpeedConfig(attention="flash"), SpeedConfig(fused_rope=True), SpeedConfig(overlap_tensor_parallel=True)
    )  # fmt: skip
    for wish in wishes:
        assert decide(wish, "cuda", NoFp8()).layers == "engine"


@pytest.mark.parametrize(
    "name",
    [
        "overlap_grad_reduce", "overlap_param_gather", "fused_gradient_accumulation", "fused_rope", "fused_swiglu",
        "fused_residual", "fused_norm_linear",
    ],
)  # fmt: skip
def test_each_default_can_be_switched_off(machine, name):
    machine(engine=True)
    without = dataclasses.replace(SpeedConfig(), **{name: False})
    on, off = decide(SpeedConfig(), "cuda", NoFp8()), decide(without, "cuda", NoFp8())
    assert getattr(on, name) and not getattr(off, name)
    changed = {field for field in Switches.__dataclass_fields__ if getattr(on, field) != getattr(off, field)}
    follows = {"overlap_param_gather"} if name == "overlap_grad_reduce" else set()
    assert changed == {name, *follows}


# --- rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "path", "rule"),
    [
        (["run.device=cpu", "speed.layers=engine"], "speed.layers", "needs-gpu"),
        (["run.device=cpu", "speed.compile=true", "speed.layers=own"], "speed.compile", "needs-gpu"),
        (["run.device=cpu", "speed.fused_swiglu=true"], "speed.fused_swiglu", "needs-gpu"),
        (["run.device=cpu", "speed.offload_optimizer=0.5"], "speed.offload_optimizer", "needs-gpu"),
        (["run.device=cpu", "speed.cuda_graphs=layers"], "speed.cuda_graphs", "needs-gpu"),
        (["run.device=cpu", "speed.fused_cross_entropy=true"], "speed.fused_cross_entropy", "needs-gpu"),
        (["speed.layers=own", "precision.fp8=tensorwise"], "speed.layers", "needs-engine-layers"),
        (["speed.layers=own", "speed.attention=flash"], "speed.attention", "needs-engine-layers"),
        (["speed.layers=own", "speed.fused_rope=true"], "speed.fused_rope", "needs-engine-layers"),
        (["speed.compile=true"], "speed.compile", "compiled-layers"),
        (["speed={layers: own, cuda_graphs: layers}"], "speed.cuda_graphs", "needs-engine-layers"),
        (["speed.offload_optimizer=0.5", "precision.dtype=fp32"], "speed.offload_optimizer", "offloaded"),
        (["speed.cuda_graphs=layers", "parallel.recompute.type=full"], "speed.cuda_graphs", "graphed-layers"),
        (["speed={overlap_grad_reduce: false, overlap_param_gather: true}"], "speed.overlap_param_gather", "overlap"),
        (["speed={overlap_grad_reduce: false, bucket_size: 100}"], "speed.bucket_size", "overlap"),
        (["run.device=cpu", "speed.bucket_size=100"], "speed.bucket_size", "overlap"),
        (["speed.overlap_tensor_parallel=true"], "speed.overlap_tensor_parallel", "tensor-overlap"),
        (["speed.adam_moments=bf16"], "speed.adam_moments", "adam-state"),
        (["speed.gradients=bf16"], "speed.gradients", "adam-state"),
        (["speed={precision_aware_adam: true, adam: torch}"], "speed.adam", "adam-state"),
        (["speed.precision_aware_adam=true", "precision.dtype=fp32"], "speed.precision_aware_adam", "adam-state"),
        (["speed={precision_aware_adam: true, offload_optimizer: 0.5}"], "speed.offload_optimizer", "adam-state"),
        (["training.steps=none", "stages=[{name: a, steps: 3}]", "speed.cuda_graphs=layers"], "speed.cuda_graphs", "one-stage"),
        (["training.steps=none", "stages=[{name: a, steps: 3}]", "speed.offload_optimizer=1.0"], "speed.offload_optimizer",
         "one-stage"),
        (["lora={rank: 4, alpha: 8}", "checkpoint.initial_weights=x", "speed.layers=engine"], "speed.layers",
         "needs-engine-layers"),
        (["lora={rank: 4, alpha: 8}", "checkpoint.initial_weights=x", "speed.overlap_param_gather=true"],
         "speed.overlap_param_gather", "needs-engine-layers"),
    ],
)  # fmt: skip
def test_what_excludes_what_is_reported_with_its_key(tmp_path, overrides, path, rule):
    file = tmp_path / "gpu.yaml"
    file.write_text(GPU)
    with pytest.raises(ConfigError) as caught:
        load(Config, [str(file)], overrides, layout_rules(1))
    problems = {problem.path: problem for problem in caught.value.problems}
    assert {p: problem.rule for p, problem in problems.items()} == {path: rule}
    assert ";" in problems[path].message, "the remedy is missing"


def test_the_cudnn_of_torch_is_the_one_for_all(tmp_path, monkeypatch):
    """Transformer Engine would load the system's beside it."""
    from megatron_ko.training import distributed

    folder = tmp_path / "nvidia" / "cudnn"
    (folder / "lib").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.split(".")[0] == "nvidia"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("CUDNN_HOME", "CUDNN_PATH"):
        monkeypatch.delenv(name, raising=False)
    distributed.share_cudnn()
    assert "CUDNN_HOME" not in os.environ, "a folder without the library"
    (folder / "lib" / "libcudnn.so.9").touch()
    monkeypatch.setenv("CUDNN_PATH", "/opt/cudnn")
    distributed.share_cudnn()
    assert "CUDNN_HOME" not in os.environ, "the user has chosen"
    monkeypatch.delenv("CUDNN_PATH")
    distributed.share_cudnn()
    assert os.environ.pop("CUDNN_HOME") == str(folder)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["speed={layers: own, compile: true, attention: sdpa}"],
        ["speed={layers: engine, attention: fused, cuda_graphs: layers}"],
        ["speed.cuda_graphs=layers", "parallel.recompute.type=selective"],
        ["speed={precision_aware_adam: true, adam_moments: fp8, gradients: bf16}"],
        ["run.device=cpu", "speed={overlap_grad_reduce: true, overlap_param_gather: true, bucket_size: 10}"],
        ["run.device=cpu", "speed={layers: own, attention: sdpa, adam: torch}"],
        ["parallel={tensor: 2, sequence: true}", "speed.overlap_tensor_parallel=true"],
    ],
)
def test_possible_combinations_pass(tmp_path, overrides):
    file = tmp_path / "gpu.yaml"
    file.write_text(GPU)
    load(Config, [str(file)], overrides, layout_rules(2))


# --- fields of megatron-core -----------------------------------------------------------------------------

EVERYTHING = Switches(
    layers="engine", attention="flash", overlap_grad_reduce=True, overlap_param_gather=True, bucket_size=1000,
    overlap_tensor_parallel=True, fused_gradient_accumulation=True, fused_rope=True, fused_swiglu=True,
    fused_residual=True, fused_norm_linear=True, cuda_graphs=True, adam="engine", precision_aware_adam=True,
    adam_moments="fp8", gradients="bf16",
)  # fmt: skip


def test_plain_switches_are_what_the_cpu_has_always_had():
    assert transformer_fields(NoFp8(), Switches()) == dict.fromkeys(
        ("gradient_accumulation_fusion", "bias_activation_fusion", "bias_dropout_fusion", "apply_rope_fusion"), False
    )  # fmt: skip
    assert data_parallel_fields(NoFp8(), Switches()) == dict(
        use_distributed_optimizer=True, grad_reduce_in_fp32=True, overlap_grad_reduce=False,
        overlap_param_gather=False, bucket_size=None, check_for_nan_in_grad=False, fp8_param_gather=False,
        reuse_grad_buf_for_mxfp8_param_ag=False,
    )  # fmt: skip
    assert optimizer_fields(NoFp8(), Switches()) == dict(
        overlap_param_gather=False, fp8_recipe=None, reuse_grad_buf_for_mxfp8_param_ag=False
    )


@pytest.mark.parametrize("fp8", RECIPES, ids=NAMES)
def test_every_field_exists_in_megatron_core(fp8):
    from megatron.core.distributed import DistributedDataParallelConfig
    from megatron.core.optimizer import OptimizerConfig as MegatronOptimizerConfig
    from megatron.core.transformer import TransformerConfig

    offload = dataclasses.replace(EVERYTHING, precision_aware_adam=False, offload_optimizer=0.5)
    for switches in (Switches(), EVERYTHING, offload):
        assert set(transformer_fields(fp8, switches)) <= set(TransformerConfig.__dataclass_fields__)
        assert set(optimizer_fields(fp8, switches)) <= set(MegatronOptimizerConfig.__dataclass_fields__)
        assert DistributedDataParallelConfig(**data_parallel_fields(fp8, switches))


@pytest.mark.parametrize("fp8", RECIPES, ids=NAMES)
def test_the_transformer_config_of_each_recipe(fp8, monkeypatch):
    from megatron.core.models.common.embeddings import rope_utils
    from megatron.core.transformer.enums import AttnBackend

    from megatron_ko.training.model import transformer_config

    monkeypatch.setattr(rope_utils, "fused_apply_rotary_pos_emb", object())  # Transformer Engine's kernel
    switches = dataclasses.replace(EVERYTHING, overlap_tensor_parallel=False, cuda_graphs=False)
    config = transformer_config(
        MODEL,
        ParallelConfig(),
        PrecisionConfig(fp8=fp8),
        "cuda",
        dataclasses.replace(switches, attention="fused"),
    )
    assert config.attention_backend == AttnBackend.fused
    assert config.apply_rope_fusion and config.bias_activation_fusion and config.bias_dropout_fusion
    assert not config.gradient_accumulation_fusion  # the kernel of Apex, which is missing
    if fp8.type == "none":
        assert config.fp8 is None
        return
    assert (config.fp8, config.fp8_recipe, config.fp8_param) == (fp8.format, fp8.type, fp8.parameter_gather)
    ends = {"tensorwise": (True, 1, 1)}.get(fp8.type, (False,))
    actual = (
        config.first_last_layers_bf16,
        config.num_layers_at_start_in_bf16,
        config.num_layers_at_end_in_bf16,
    )
    assert actual[: len(ends)] == ends
    if fp8.type == "delayed":
        assert (config.fp8_amax_history_len, config.fp8_amax_compute_algo) == (1024, "max")


RECOMPUTE = (
    "none",
    "selective",
    "{type: selective, modules: [mlp]}",
    "{type: selective, modules: [attention]}",
    "full",
)
COMBINED: dict[str, tuple[str, ...]] = {
    "precision.fp8": ("none", "tensorwise", "delayed", "blockwise", "mxfp8"),
    "parallel.recompute": RECOMPUTE,
    "speed.cuda_graphs": ("none", "layers"),
    "speed.attention": ("auto", "fused"),
    "precision": ("", "precision.fp8.parameter_gather=true"),
}


def test_megatron_core_accepts_every_combination_that_the_rules_accept(tmp_path, monkeypatch):
    """Otherwise a run would fail on each rank, with words of megatron-core, after it has started."""
    from megatron.core.models.common.embeddings import rope_utils
    from megatron.core.transformer import transformer_config as core

    from megatron_ko.training.model import transformer_config

    monkeypatch.setattr(rope_utils, "fused_apply_rotary_pos_emb", object())
    monkeypatch.setattr(core, "is_te_min_version", lambda *version: True)
    file = tmp_path / "gpu.yaml"
    file.write_text(GPU)
    refused, accepted = set(), 0
    for values in itertools.product(*COMBINED.values()):
        chosen = dict(zip(COMBINED, values))
        gather = chosen.pop("precision")
        if gather and chosen["precision.fp8"] == "none":
            continue
        overrides = [f"{path}={value}" for path, value in chosen.items() if value != "none"]
        try:
            loaded = load(Config, [str(file)], [*overrides, *([gather] if gather else [])], layout_rules(1))
        except ConfigError as error:
            refused |= {problem.rule for problem in error.problems}
            continue
        config, accepted = loaded.config, accepted + 1
        switches = speed.switches_of(config)
        transformer_config(config.model, config.parallel, config.precision, "cuda", switches)
    assert refused == {"fp8-recompute", "graphed-layers"}
    assert accepted > 100


def test_switches_become_fields_one_by_one():
    """Field and value that each switch sets, beside those of plain switches."""
    cases: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
        "fused_rope": (True, {"apply_rope_fusion": True}, {}, {}),
        "fused_swiglu": (True, {"bias_activation_fusion": True}, {}, {}),
        "fused_residual": (True, {"bias_dropout_fusion": True}, {}, {}),
        "overlap_tensor_parallel": (True, {"tp_comm_overlap": True}, {}, {}),
        "cuda_graphs": (True, {"cuda_graph_impl": "local"}, {}, {}),
        "overlap_grad_reduce": (True, {}, {"overlap_grad_reduce": True}, {}),
        "overlap_param_gather": (True, {}, {"overlap_param_gather": True}, {"overlap_param_gather": True}),
        "bucket_size": (7, {}, {"bucket_size": 7}, {}),
        "offload_optimizer": (
            0.5,
            {},
            {},
            {
                "optimizer_cpu_offload": True,
                "optimizer_offload_fraction": 0.5,
                "overlap_cpu_optimizer_d2h_h2d": True,
            },
        ),
        "precision_aware_adam": (
            True,
            {},
            {},
            {
                "use_precision_aware_optimizer": True,
                "main_grads_dtype": torch.float32,
                "exp_avg_dtype": torch.float32,
                "exp_avg_sq_dtype": torch.float32,
            },
        ),
    }
    functions = (transformer_fields, data_parallel_fields, optimizer_fields)
    plain = [function(NoFp8(), Switches()) for function in functions]
    for name, (value, *expected) in cases.items():
        switches = dataclasses.replace(Switches(), **{name: value})
        for function, before, more in zip(functions, plain, expected):
            assert function(NoFp8(), switches) == {**before, **more}, name
    fields = optimizer_fields(NoFp8(), EVERYTHING)
    assert (fields["main_grads_dtype"], fields["exp_avg_dtype"]) == (torch.bfloat16, torch.uint8)
    assert not data_parallel_fields(NoFp8(), EVERYTHING)["grad_reduce_in_fp32"]
    apex = dataclasses.replace(Switches(), fused_gradient_accumulation=True)
    assert transformer_fields(NoFp8(), apex, apex=True)["gradient_accumulation_fusion"]


def test_weights_in_mxfp8_share_the_gradient_buffer():
    for fp8 in RECIPES:
        shared = fp8.type == "mxfp8"
        assert data_parallel_fields(fp8, Switches())["reuse_grad_buf_for_mxfp8_param_ag"] == shared
        assert optimizer_fields(fp8, Switches())["reuse_grad_buf_for_mxfp8_param_ag"] == shared


# --- layers ----------------------------------------------------------------------------------------------


def test_separate_norms_keep_the_names_of_a_checkpoint():
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec

    from megatron_ko.training.engine import separate_norms

    own: Any = get_gpt_layer_local_spec(normalization="RMSNorm")
    layer: Any = get_gpt_layer_local_spec(normalization="RMSNorm")
    names = layer.submodules.sharded_state_dict_keys_map
    separate_norms(layer, linear="linear", norm="norm")
    parts = layer.submodules
    assert parts.input_layernorm == parts.pre_mlp_layernorm == "norm"
    assert parts.self_attention.submodules.linear_qkv == "linear"
    mlp = parts.mlp.submodules if hasattr(parts.mlp, "submodules") else parts.mlp.keywords["submodules"]
    assert mlp.linear_fc1 == "linear" and mlp.linear_fc2 != "linear"
    assert parts.sharded_state_dict_keys_map == names
    assert own.submodules.self_attention.submodules.linear_qkv != "linear"


@pytest.mark.skipif(not uses_engine(), reason="Transformer Engine is not installed")
def test_the_layers_of_transformer_engine_are_chosen_as_configured():
    from megatron.core.extensions import transformer_engine as modules

    from megatron_ko.training.attention import CausalAttention
    from megatron_ko.training.engine import engine_spec

    config: Any = type("Config", (), {"qk_layernorm": False})
    parts = engine_spec(config, EVERYTHING).submodules
    assert parts.self_attention.submodules.linear_qkv is modules.TELayerNormColumnParallelLinear
    assert parts.self_attention.submodules.core_attention is modules.TEDotProductAttention
    plain = dataclasses.replace(EVERYTHING, fused_norm_linear=False, attention="sdpa")
    parts = engine_spec(config, plain).submodules
    assert parts.self_attention.submodules.linear_qkv is modules.TEColumnParallelLinear
    assert parts.self_attention.submodules.core_attention is CausalAttention
    assert parts.sharded_state_dict_keys_map["input_layernorm."] == "self_attention.linear_qkv.layer_norm_"


def test_gradient_accumulation_is_set_in_modules_that_have_it():
    from megatron_ko.training.engine import fuse_gradient_accumulation

    linear, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    linear.fuse_wgrad_accumulation = False  # type: ignore[assignment]
    model = torch.nn.Sequential(linear, other)
    fuse_gradient_accumulation(model, True)
    assert linear.fuse_wgrad_accumulation is True and not hasattr(other, "fuse_wgrad_accumulation")


def test_the_optimizer_starts_from_the_weights_in_fp8_and_not_from_those_they_were_built_with():
    from megatron_ko.training.engine import forget_first_values

    linear = torch.nn.Linear(2, 2)
    cleared: list[str] = []
    linear.weight.get_high_precision_init_val = lambda: torch.zeros(2, 2)  # type: ignore[attr-defined]
    linear.weight.clear_high_precision_init_val = lambda: cleared.append("weight")  # type: ignore[attr-defined]
    forget_first_values(linear)
    assert cleared == ["weight"] and not hasattr(linear.weight, "get_high_precision_init_val")


def test_a_weight_in_fp8_is_drawn_in_a_buffer(monkeypatch):
    from megatron.core import fp8_utils
    from megatron.core.dist_checkpointing.mapping import ShardedTensor

    from megatron_ko.training.engine import writable

    value = ShardedTensor.from_rank_offsets("x", torch.ones(4, 2, dtype=torch.bfloat16))
    assert writable(value) is value
    monkeypatch.setattr(fp8_utils, "is_float8tensor", lambda tensor: True)
    other = writable(value)
    assert (other.key, other.data.shape, other.data.dtype) == ("x", (4, 2), torch.bfloat16)
    assert other.data is not value.data


def test_the_adam_of_torch_replaces_what_megatron_core_would_choose(unchosen_adam):
    from megatron.core import optimizer
    from megatron.core.optimizer import distrib_optimizer

    from megatron_ko.training.engine import use_adam

    use_adam("torch")
    assert optimizer.Adam is distrib_optimizer.Adam is torch.optim.AdamW
    assert optimizer.USING_PYTORCH_OPTIMIZER is True
    assert not distrib_optimizer.HAVE_APEX_OR_TE and not distrib_optimizer.USING_TE_OPTIMIZER


# --- overlap, on gloo ------------------------------------------------------------------------------------

VOCAB = 61
OVERLAPS = {
    "buckets": Switches(overlap_grad_reduce=True, bucket_size=5000),
    "plain": Switches(),
    "gathers": Switches(overlap_grad_reduce=True, overlap_param_gather=True, bucket_size=5000),
}
COMPILED = {
    "compiled": Switches(compile=True),
    "compiled, gathers": dataclasses.replace(OVERLAPS["gathers"], compile=True),
}


def batches_of(seed: int, rank: int, count: int):
    generator = torch.Generator().manual_seed(1000 * seed + rank)
    for _ in range(count):
        tokens = torch.randint(0, VOCAB, (2, 32), generator=generator)
        yield {
            "tokens": tokens, "labels": tokens.roll(-1, 1), "loss_mask": torch.ones(2, 32),
            "position_ids": torch.arange(32).expand(2, 32),
        }  # fmt: skip


def wrong_master_weights(trainee: Any, gpt: Any) -> int:
    """Parameters whose fp32 weight, as a checkpoint would contain it, is not the weight of the model. Collective."""
    from megatron.core.dist_checkpointing.dict_utils import nested_values
    from megatron.core.dist_checkpointing.mapping import ShardedTensor

    from megatron_ko.training import checkpoint, engine

    def by_place(state: Any, prefix: str = "") -> dict[Any, torch.Tensor]:
        found: list[Any] = [
            v for v in nested_values(state) if isinstance(v, ShardedTensor) and v.key.startswith(prefix)
        ]
        return {(v.key.removeprefix(prefix), v.global_offset): v.data.detach() for v in found}

    engine.sync_weights(trainee.ddp_model)
    model_state = checkpoint._model_state(gpt)
    state = trainee.optimizer.sharded_state_dict(model_state, metadata=dict(checkpoint.SHARDING))
    weights, masters = by_place(model_state), by_place(state, "optimizer.state.param.")
    return sum(not torch.equal(master, weights[place]) for place, master in masters.items())


def train_overlapped(
    rank: int, init_method: str, size: int, parallel: ParallelConfig, names: list[str]
) -> dict[str, tuple]:
    """Losses, validation loss before the weights are gathered by hand, sums of weights, the loss of a step in another
    wrapper, master weights that a checkpoint would have wrong without and with the workaround, buckets, and compiled graphs of
    layers, of each case.

    Those of ``COMPILED`` have layers and loss through torch.compile's front end, without generated code.
    """
    from megatron_ko.training import (
        boundary,
        bucket_gaps,
        distributed,
        engine,
        model,
        optimizer,
        step,
        vocabulary,
    )

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    world = distributed.start(run, parallel, rank, size, init_method)
    training = TrainingConfig(steps=4, global_batch_size=8, micro_batch_size=2, sequence_length=32)
    config, precision, found = OptimizerConfig(learning_rate=1e-2), PrecisionConfig(dtype="fp32"), {}
    for name in names:
        gpt = model.build_gpt(MODEL, parallel, precision, vocab_size=VOCAB, device=world.device, seed=1)
        switches, graphs = {**OVERLAPS, **COMPILED}[name], []
        if name in COMPILED:
            engine.compile_layers(
                gpt, backend=lambda graph, _, into=graphs: into.append(graph) or graph.forward
            )
            vocabulary.use_compiled(True, backend="eager")
        trainee = step.prepare(gpt, config, precision, switches=switches)
        buckets = sum(len(buffer.buckets) for buffer in trainee.ddp_model.buffers)
        losses = []
        for number in range(4):
            optimizer.set_hyperparameters(trainee.optimizer, config, 1e-2)
            result = step.train_step(trainee, batches_of(number, world.data_rank, 2), world, training, 2)
            losses.append((result.loss, result.gradient_norm))
            if number == 1:  # as a save does, in the middle
                step.check_weights(trainee.ddp_model, world)
        with torch.no_grad():
            totals = step.sum_batches(
                trainee.ddp_model, batches_of(9, world.data_rank, 2), world, training, 2, forward_only=True
            )
        valid = step.mean_loss(totals)
        shifted = [wrong_master_weights(trainee, gpt)]  # before the workaround, then with it
        bucket_gaps.keep_gaps()
        shifted.append(wrong_master_weights(trainee, gpt))
        trainees, buffer = [trainee], weakref.ref(trainee.ddp_model.buffers[0])
        del trainee
        engine.end_overlap(trainees[0].ddp_model)
        boundary._release(trainees, gpt)
        assert buffer() is None, name
        weights = [p.detach().double().sum().item() for p in gpt.parameters()]
        # its hooks are gone: another wrapper trains the same weights
        again = step.prepare(gpt, config, precision, switches=switches)
        optimizer.set_hyperparameters(again.optimizer, config, 1e-2)
        last = step.train_step(again, batches_of(5, world.data_rank, 2), world, training, 2).loss
        found[name] = (losses, valid, weights, last, shifted, buckets, len(graphs))
        vocabulary.use_compiled(False)
    distributed.stop()
    return found


@pytest.mark.ranks
def test_overlap_trains_bit_for_bit_like_plain_communication():
    """Two data-parallel ranks: a sum of two does not depend on buckets."""
    ranks = on_ranks(2, train_overlapped, 2, ParallelConfig(), list(OVERLAPS))
    # megatron-core's defect, which only the first case of a process can show: the workaround then lasts
    assert all(found[name][4][1] == 0 for found in ranks for name in OVERLAPS)
    assert any(found["buckets"][4][0] for found in ranks), (
        "the defect is gone: remove training/bucket_gaps.py"
    )
    for found in ranks:
        losses, *others = found["plain"]
        assert found["plain"][5] == 1 and found["buckets"][5] == found["gathers"][5] > 1
        for name in ("buckets", "gathers"):
            actual, *rest = found[name]
            assert [loss for loss, _ in actual] == [loss for loss, _ in losses], name
            # each rank sums the squares of its own shard, which buckets change
            assert [norm for _, norm in actual] == pytest.approx([norm for _, norm in losses], rel=1e-6), name
            assert rest[:3] == others[:3], name


@pytest.mark.ranks
def test_compiled_layers_and_loss_train_like_plain_ones():
    for found in on_ranks(2, train_overlapped, 2, ParallelConfig(), ["plain", *COMPILED]):
        plain = found["plain"]
        for name in COMPILED:
            for (loss, norm), (expected, expected_norm) in zip(found[name][0], plain[0]):
                near = (pytest.approx(expected, abs=1e-5), pytest.approx(expected_norm, abs=1e-4))
                assert (loss, norm) == near
            assert found[name][1] == pytest.approx(plain[1], abs=1e-5)
            assert found[name][3] == pytest.approx(plain[3], abs=1e-5)
            # training and validation: all layers share them, also where hooks wait for gathered weights
            assert found[name][6] == 2, name


@pytest.mark.slow
@pytest.mark.ranks
@pytest.mark.parametrize(
    "parallel",
    [
        ParallelConfig(tensor=2, sequence=True),
        ParallelConfig(pipeline=2),
        ParallelConfig(context=2),
    ],
    ids=["TP2 x DP2 with sequence parallel", "PP2 x DP2", "CP2 x DP2"],
)
def test_overlap_trains_like_plain_communication_in_every_layout(parallel):
    for found in on_ranks(4, train_overlapped, 4, parallel, list(OVERLAPS)):
        for name in ("buckets", "gathers"):
            for actual, expected in zip(found[name][0], found["plain"][0]):
                assert actual == pytest.approx(expected, rel=1e-5), name
            assert found[name][1] == pytest.approx(found["plain"][1], abs=1e-5)
            assert found[name][3] == pytest.approx(found["plain"][3], abs=1e-5)


@pytest.fixture(scope="module", autouse=True)
def _megatron():
    from megatron_ko.training import distributed

    distributed.import_megatron("cpu")
