"""The wiring against Transformer Engine itself, without a GPU: ``make test-te`` (it needs the environment of ``make te-env``).

Its modules refuse to be built without CUDA, and compute only there. Here they believe that there is one, and are built on the
CPU with real shapes and names; nothing is computed.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from megatron_ko.config.fp8 import BlockwiseFp8, DelayedFp8, Fp8, Mxfp8, NoFp8, TensorwiseFp8
from megatron_ko.config.loading import load
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig, RunConfig
from megatron_ko.planning import installed, start_checks
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.fp8_rules import ENGINE_MINIMUM, gpu_problem
from megatron_ko.planning.speed import Switches, decide
from megatron_ko.training.megatron_fields import data_parallel_fields, optimizer_fields
from tests import ranks
from tests.megatron_ko.test_fp8 import GPU

pytestmark = [
    pytest.mark.skipif(
        not installed.uses_engine(), reason="Transformer Engine is not installed: make te-env"
    ),
    pytest.mark.skipif(
        torch.version.cuda is None, reason="Transformer Engine cannot be imported with torch for the CPU"
    ),
]
MODEL = ModelConfig(
    layers=4, hidden_size=64, ffn_hidden_size=128, heads=4, kv_groups=2, max_sequence_length=64, vocab_multiple=16,
    qk_norm=True, qkv_bias=True,
)  # fmt: skip
VOCAB = 250
RECIPES: dict[str, Fp8] = {
    "bf16": NoFp8(),
    "tensorwise": TensorwiseFp8(type="tensorwise"),
    "delayed": DelayedFp8(type="delayed"),
    "blockwise": BlockwiseFp8(type="blockwise"),
    "mxfp8": Mxfp8(type="mxfp8"),
}


@pytest.fixture(scope="module", autouse=True)
def _megatron():
    from megatron_ko.training import distributed

    distributed.import_megatron("cpu")


def engine_switches(fp8: Fp8 = RECIPES["bf16"], **speed: Any) -> Switches:
    return decide(SpeedConfig(layers="engine", **speed), "cuda", fp8)


def config_of(fp8: Fp8, switches: Switches) -> Any:
    from megatron_ko.training.model import transformer_config

    return transformer_config(MODEL, ParallelConfig(), PrecisionConfig(fp8=fp8), "cuda", switches)


# --- versions --------------------------------------------------------------------------------------------


def test_the_installed_version_is_recognized_and_runs_every_recipe(tmp_path):
    import transformer_engine

    engine = installed.find_engine()
    assert engine is not None and engine == installed.Engine(transformer_engine.__version__)
    assert not any(installed.is_older(engine.version, minimum) for minimum in ENGINE_MINIMUM.values())
    file = tmp_path / "gpu.yaml"
    file.write_text(GPU)
    for recipe in ENGINE_MINIMUM:
        start_checks.check_installed(
            load(Config, [str(file)], [f"precision.fp8={recipe}"], layout_rules(1)), {}
        )
    config = load(Config, [str(file)], [], layout_rules(1)).config
    assert decide(config.speed, "cuda", NoFp8()).layers == "engine"
    assert decide(config.speed, "cuda", NoFp8()).adam == "engine"
    assert decide(config.speed, "cpu", NoFp8()) == Switches()


# --- configurations and recipes --------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_megatron_core_takes_the_configuration_of_each_recipe(name):
    """With its own checks of versions and of what is importable, which other tests replace."""
    from megatron.core.distributed import DistributedDataParallelConfig
    from megatron.core.optimizer import OptimizerConfig as MegatronOptimizerConfig

    fp8 = RECIPES[name]
    for gathers in (False, True) if name != "bf16" else (False,):
        fp8 = dataclasses.replace(fp8, parameter_gather=gathers) if gathers else fp8
        switches = engine_switches(fp8, precision_aware_adam=True, adam_moments="fp8", gradients="bf16")
        config = config_of(fp8, switches)
        assert config.apply_rope_fusion and (
            config.fp8_recipe == name if name != "bf16" else config.fp8 is None
        )
        assert DistributedDataParallelConfig(**data_parallel_fields(fp8, switches))
        fields: dict[str, Any] = dict(optimizer="adam", lr=1e-3, bf16=True, params_dtype=torch.bfloat16)
        settings = MegatronOptimizerConfig(
            **fields, use_distributed_optimizer=True, **optimizer_fields(fp8, switches)
        )
        assert settings.use_precision_aware_optimizer and settings.exp_avg_dtype is torch.uint8
        assert settings.store_param_remainders


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "bf16"])
def test_each_recipe_becomes_one_of_transformer_engine(name):
    from megatron.core.fp8_utils import get_fp8_recipe
    from transformer_engine.common import recipe as recipes

    kinds = {
        "tensorwise": recipes.Float8CurrentScaling, "delayed": recipes.DelayedScaling,
        "blockwise": recipes.Float8BlockScaling, "mxfp8": recipes.MXFP8BlockScaling,
    }  # fmt: skip
    for number_format, expected in (("hybrid", recipes.Format.HYBRID), ("e4m3", recipes.Format.E4M3)):
        fp8 = dataclasses.replace(RECIPES[name], format=number_format)
        recipe: Any = get_fp8_recipe(config_of(fp8, engine_switches(fp8)))
        assert type(recipe) is kinds[name] or isinstance(recipe, kinds[name])
        assert recipe.fp8_format == expected
        if name == "delayed":
            assert (recipe.amax_history_len, recipe.amax_compute_algo) == (1024, "max")


@pytest.mark.parametrize("capability", [(8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (10, 3), (12, 0)])
@pytest.mark.parametrize("cuda", ["12.4", "12.9", "13.0"])
def test_a_gpu_runs_the_recipes_that_transformer_engine_accepts(capability, cuda, monkeypatch):
    from megatron.core.fp8_utils import get_fp8_recipe
    from transformer_engine.pytorch import quantization

    monkeypatch.setattr(quantization, "get_device_compute_capability", lambda: capability)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    checks = ("check_fp8_support", "check_mxfp8_support", "check_fp8_block_scaling_support")
    for name in ENGINE_MINIMUM:
        for check in checks:
            getattr(quantization, check).cache_clear()
        recipe = get_fp8_recipe(config_of(RECIPES[name], engine_switches(RECIPES[name])))
        try:
            quantization.check_recipe_support(recipe)
            accepted = True
        except AssertionError:
            accepted = False
        assert (gpu_problem(name, "GPU", capability, cuda) is None) == accepted, name
    for check in checks:
        getattr(quantization, check).cache_clear()


# --- layers ----------------------------------------------------------------------------------------------


def test_the_layer_has_the_modules_that_are_configured():
    from megatron.core.extensions import transformer_engine as modules

    from megatron_ko.training.attention import CausalAttention
    from megatron_ko.training.engine import engine_spec
    from megatron_ko.training.engine_attention import engine_attention

    for within, attention, norms in itertools.product((False, True), ("auto", "sdpa"), (False, True)):
        switches = engine_switches(attention=attention, fused_norm_linear=norms)
        config = config_of(NoFp8(), switches)
        parts = engine_spec(config, switches, within).submodules
        inner = parts.self_attention.submodules
        core = modules.TEDotProductAttention if not within else engine_attention()
        assert inner.core_attention is (CausalAttention if attention == "sdpa" else core)
        assert inner.linear_qkv is (
            modules.TELayerNormColumnParallelLinear if norms else modules.TEColumnParallelLinear
        )
        assert inner.linear_proj is modules.TERowParallelLinear


def test_attention_within_documents_has_the_signature_of_its_base():
    from megatron.core.extensions.transformer_engine import TEDotProductAttention

    from megatron_ko.training.engine_attention import engine_attention

    ours = inspect.signature(engine_attention().forward).parameters
    base = inspect.signature(TEDotProductAttention.forward).parameters
    named = [name for name in ours if name not in ("self", "more")]
    assert named == [name for name in base if name != "self"][: len(named)]


def names_and_shapes(
    rank: int,
    init_method: str,
    size: int,
    parallel: ParallelConfig,
    settings: list[tuple[Fp8, Switches | None]],
) -> list[dict]:
    """Parameters by name in the model, and weights by key of a checkpoint with shapes and offsets, of our layers (no switches) and
    of Transformer Engine's."""
    from megatron.core.dist_checkpointing.dict_utils import nested_values
    from megatron.core.dist_checkpointing.mapping import ShardedTensor

    from megatron_ko.training import checkpoint, distributed, model

    distributed.start(RunConfig(folder="unused", device="cpu"), parallel, rank, size, init_method)
    found = []
    for fp8, switches in settings:
        if switches is not None:
            torch.cuda.is_available = lambda: True  # the one thing that its modules ask
        precision = PrecisionConfig(fp8=fp8)
        gpt = model.build_gpt(
            MODEL,
            parallel,
            precision,
            vocab_size=VOCAB,
            device=torch.device("cpu"),
            seed=1,
            switches=switches,
        )
        state = checkpoint._model_state(gpt)
        tensors: Any = [value for value in nested_values(state) if isinstance(value, ShardedTensor)]
        found.append(
            {
                "modules": sorted(
                    {type(m).__name__ for m in gpt.modules() if "transformer_engine" in type(m).__module__}
                ),
                "parameters": {name: list(p.shape) for name, p in gpt.named_parameters()},
                "keys": {
                    (t.key, t.global_offset): (t.global_shape, t.data.double().sum().item()) for t in tensors
                },
                "split": {
                    name: p.partition_dim
                    for name, p in gpt.named_parameters()
                    if getattr(p, "tensor_model_parallel", False)
                },
            }
        )
    distributed.stop()
    return found


@pytest.mark.ranks
@pytest.mark.parametrize(
    ("size", "parallel"),
    [(1, ParallelConfig()), (2, ParallelConfig(tensor=2, sequence=True)), (2, ParallelConfig(pipeline=2))],
    ids=["one rank", "TP2", "PP2"],
)
def test_weights_have_the_names_shapes_and_first_values_of_our_layers(size, parallel):
    fused, plain = engine_switches(), engine_switches(fused_norm_linear=False, attention="sdpa")
    settings: list[tuple[Fp8, Switches | None]] = [(NoFp8(), None), (NoFp8(), fused), (NoFp8(), plain)]
    settings += [(fp8, engine_switches(fp8)) for name, fp8 in RECIPES.items() if name != "bf16"]
    for own, *others in ranks.on_ranks(size, names_and_shapes, size, parallel, settings):
        assert own["modules"] == []
        for other in others:
            assert "TERowParallelLinear" in other["modules"]
            assert other["keys"] == own["keys"]
            assert sorted(other["parameters"].values()) == sorted(own["parameters"].values())
        assert "TELayerNormColumnParallelLinear" in others[0]["modules"]
        assert "TELayerNormColumnParallelLinear" not in others[1]["modules"]
        assert others[1]["parameters"] == own["parameters"], (
            "without fused norms, even modules have the same names"
        )


# --- optimizer, overlap ----------------------------------------------------------------------------------


def test_fused_adam_is_chosen_and_has_what_precision_aware_state_needs(unchosen_adam):
    from megatron.core import optimizer
    from megatron.core.optimizer import distrib_optimizer
    from transformer_engine.pytorch.optimizers import FusedAdam

    from megatron_ko.training.engine import use_adam

    use_adam("engine")
    assert optimizer.Adam is distrib_optimizer.Adam is FusedAdam
    assert distrib_optimizer.USING_TE_OPTIMIZER and not optimizer.USING_PYTORCH_OPTIMIZER
    wanted = {
        "master_weight_dtype",
        "exp_avg_dtype",
        "exp_avg_sq_dtype",
        "use_decoupled_grad",
        "store_param_remainders",
    }
    assert wanted <= set(inspect.signature(FusedAdam).parameters)


@pytest.mark.parametrize("name", RECIPES)
def test_user_buffers_are_started_with_arguments_that_exist(name, tmp_path, monkeypatch):
    from transformer_engine.pytorch.module import base

    from megatron_ko.training.engine import start_tensor_overlap

    file = tmp_path / "gpu.yaml"
    file.write_text(GPU)
    overrides = ["parallel={tensor: 2, sequence: true}", "speed.overlap_tensor_parallel=true"]
    if name != "bf16":
        overrides.append(f"precision.fp8={name}")
    config = load(Config, [str(file)], overrides, layout_rules(2)).config
    signature = inspect.signature(base.initialize_ub)
    calls: list[Any] = []
    monkeypatch.setattr(
        base, "initialize_ub", lambda **options: calls.append(signature.bind(**options).arguments)
    )
    start_tensor_overlap(config)
    (options,) = calls
    modes = base.UserBufferQuantizationMode
    expected = {"bf16": [modes.NONE], "tensorwise": [modes.FP8, modes.NONE]}.get(name, [modes.FP8])
    assert options["quantization_modes"] == expected
    assert (options["shape"], options["tp_size"]) == ([512, 512], 2)


def test_hyperparameters_reach_the_groups_of_fused_adam():
    """Its groups have the fields that are written before each step; the step counts in the group."""
    from transformer_engine.pytorch.optimizers import FusedAdam

    from megatron_ko.training.optimizer import set_hyperparameters

    defaults = inspect.signature(FusedAdam).parameters
    assert {"lr", "betas", "eps", "weight_decay"} <= set(defaults)
    group = {
        "lr": 0.0,
        "betas": (0, 0),
        "eps": 0.0,
        "weight_decay": 0.0,
        "wd_mult": 1.0,
        "is_decoupled_lr": False,
    }
    set_hyperparameters(SimpleNamespace(param_groups=[group]), OptimizerConfig(learning_rate=2e-3), 1e-3)
    assert group["lr"] == 1e-3 and group["betas"] == (0.9, 0.95)
