"""Transformer Engine and the GPU: layer spec, fusions that megatron-core has no field for, and the checks of a rank.

Owns everything that ``speed`` and ``precision.fp8`` change beside fields of megatron-core (``megatron_fields.py``).
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from megatron_ko.config.fp8 import bf16_layers, uses_fp8
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from megatron_ko.planning.distillation import teacher_fp8
from megatron_ko.planning.distillation_rules import sections_of
from megatron_ko.planning.fp8_rules import gpu_problem
from megatron_ko.planning.installed import find_engine, is_older
from megatron_ko.planning.speed import Switches
from megatron_ko.training import vocabulary
from megatron_ko.training.attention import CausalAttention
from megatron_ko.training.chunks import chunks_of
from megatron_ko.training.engine_attention import engine_attention


def engine_spec(config: Any, switches: Switches, within_documents: bool = False) -> Any:
    """Transformer Engine's layer; its weights have the names of our own layers in a checkpoint.

    Attention within documents is Transformer Engine's, too, but ours under context parallelism.
    """
    from megatron.core.models.gpt import gpt_layer_specs

    layer: Any = gpt_layer_specs.get_gpt_layer_with_transformer_engine_spec(qk_layernorm=config.qk_layernorm)
    if not switches.fused_norm_linear:
        from megatron.core.extensions.transformer_engine import TEColumnParallelLinear, TENorm

        separate_norms(layer, linear=TEColumnParallelLinear, norm=TENorm)
    core: type | None = None
    if switches.attention == "sdpa" or (within_documents and config.context_parallel_size > 1):
        core = CausalAttention
    elif within_documents:
        core = engine_attention()
    if core is not None:
        layer.submodules.self_attention.submodules.core_attention = core
    return layer


def separate_norms(layer: Any, *, linear: Any, norm: Any) -> None:
    """Puts ``norm`` before attention and SwiGLU, and ``linear`` in place of the matrix products that contain it.

    The names of the norms in a checkpoint stay those of the products that contain them.
    """
    parts = layer.submodules
    parts.input_layernorm = parts.pre_mlp_layernorm = norm
    parts.self_attention.submodules.linear_qkv = linear
    mlp = parts.mlp
    inside = mlp.submodules if hasattr(mlp, "submodules") else mlp.keywords["submodules"]
    inside.linear_fc1 = linear
    parts.sharded_state_dict_keys_map = {
        "input_layernorm.": "self_attention.linear_qkv.layer_norm_",
        "pre_mlp_layernorm.": "mlp.linear_fc1.layer_norm_",
    }


def finish_layers(gpt: Any, switches: Switches) -> None:
    """Applies the switches that concern modules which have been built."""
    if switches.layers == "engine":
        fuse_gradient_accumulation(gpt, switches.fused_gradient_accumulation)
        forget_first_values(gpt)
    if switches.compile:
        compile_layers(gpt)
    vocabulary.use_compiled(switches.fused_cross_entropy)


def fuse_gradient_accumulation(gpt: Any, fused: bool) -> None:
    """Lets Transformer Engine's linear layers add weight gradients to ``main_grad``, or not.

    megatron-core's own field demands the kernel of Apex as soon as the model has an output layer, which is megatron-core's.
    """
    for module in gpt.modules():
        if hasattr(module, "fuse_wgrad_accumulation"):
            module.fuse_wgrad_accumulation = fused


def forget_first_values(gpt: Any) -> None:
    """Makes the optimizer start from the present FP8 weights: Transformer Engine offers it the values they were built with."""
    for parameter in gpt.parameters():
        if hasattr(parameter, "get_high_precision_init_val"):
            parameter.clear_high_precision_init_val()
            del parameter.get_high_precision_init_val


def writable(value: Any) -> Any:
    """``value``, a description of a weight for a checkpoint, with a buffer in place of a weight in FP8, which has no slices.

    The caller fills it and copies it back.
    """
    from megatron.core.fp8_utils import is_float8tensor

    data = value.data
    if not is_float8tensor(data):
        return value
    return dataclasses.replace(value, data=torch.empty(data.shape, dtype=data.dtype, device=data.device))


def compile_layers(gpt: Any, **options: Any) -> None:
    """Compiles the forward pass of each layer in place, so that no weight changes its name; the hooks of a layer stay outside."""
    # megatron-core's warnings would cut each layer into pieces
    torch._dynamo.config.ignore_logging_functions.add(warnings.warn)
    for layer in gpt.decoder.layers:
        layer.forward = torch.compile(layer.forward, **options)


def wait_by_layer(chunk: Any, layers: Iterable[Any]) -> None:
    """Moves the hooks of a wrapper that wait for gathered weights from the modules of each layer to the layer.

    Within a compiled layer they would be code of its own for each: torch.compile would compile all layers, and give up after
    eight.
    """
    handles = chunk.remove_forward_pre_hook_handles
    for layer in layers:
        modules = list(layer.modules())
        for module in modules:
            handles[module].remove()
        wait = chunk._make_forward_pre_hook()
        handles[layer] = layer.register_forward_pre_hook(partial(_wait_for_all, wait, modules))


def _wait_for_all(wait: Callable[..., None], modules: list[Any], *_: Any) -> None:
    for module in modules:
        wait(module)


def prepare_rank(config: Config, switches: Switches, device: torch.device) -> None:
    """Checks this rank's GPU and starts what the layers expect. Raises ConfigError if the GPU cannot run the recipe. Collective."""
    if device.type != "cuda":
        return
    teachers = sections_of(config.distillation, config.stages)
    recipes = [config.precision.fp8, *(teacher_fp8(section) for _, section in teachers)]
    for recipe in {fp8.type for fp8 in recipes if uses_fp8(fp8)}:
        problem = gpu_problem(
            recipe,
            torch.cuda.get_device_name(device),
            torch.cuda.get_device_capability(device),
            torch.version.cuda or "0.0",
        )
        if problem:
            raise ConfigError(problem, rule="gpu-too-old")
    if switches.cuda_graphs:
        from megatron.core import tensor_parallel

        tensor_parallel.model_parallel_cuda_manual_seed(
            config.run.seed, use_cudagraphable_rng=True, force_reset_rng=True
        )
    if switches.overlap_tensor_parallel:
        start_tensor_overlap(config)


def start_tensor_overlap(config: Config) -> None:
    """Creates Transformer Engine's user buffers for the activations [tokens of a context rank, hidden]. Collective."""
    from transformer_engine.pytorch import module as engine_modules  # type: ignore[import-not-found]

    training, parallel, fp8 = config.training, config.parallel, config.precision.fp8
    tokens = training.sequence_length * training.micro_batch_size // parallel.context
    options: dict[str, Any] = {}
    engine = find_engine()
    if engine is not None and not is_older(engine.version, "2.7"):
        modes = engine_modules.base.UserBufferQuantizationMode
        options["quantization_modes"] = [modes.FP8 if uses_fp8(fp8) else modes.NONE]
        if uses_fp8(fp8) and any(bf16_layers(fp8)):
            options["quantization_modes"].append(modes.NONE)
    else:
        options["use_fp8"] = uses_fp8(fp8)
    engine_modules.base.initialize_ub(
        shape=[tokens, config.model.hidden_size],
        tp_size=parallel.tensor,
        ub_cfgs={},
        bootstrap_backend="nccl",
        **options,
    )


def use_adam(name: str) -> None:
    """Makes megatron-core build ``engine``, ``apex`` or ``torch`` Adam; it would take the first that imports."""
    from megatron.core import optimizer
    from megatron.core.optimizer import distrib_optimizer

    if name == "engine":
        from transformer_engine.pytorch.optimizers import FusedAdam as Adam  # type: ignore[import-not-found]
    elif name == "apex":
        from apex.optimizers import FusedAdam as Adam  # type: ignore[import-not-found]
    else:
        from torch.optim import AdamW as Adam
    optimizer.Adam = distrib_optimizer.Adam = Adam
    optimizer.USING_PYTORCH_OPTIMIZER = name == "torch"
    distrib_optimizer.HAVE_APEX_OR_TE = name != "torch"
    distrib_optimizer.USING_TE_OPTIMIZER = name == "engine"
    distrib_optimizer.USING_APEX_OPTIMIZER = name == "apex"


# --- overlapped gathering --------------------------------------------------------------------------------


def sync_weights(ddp_model: Any) -> None:
    """Gathers weights that the next forward pass would gather: after an update, a rank has only its own shard. Collective."""
    for chunk in chunks_of(ddp_model):
        if chunk.ddp_config.overlap_param_gather:
            chunk.start_param_sync(force_sync=True)


def end_overlap(ddp_model: Any) -> None:
    """Gathers the weights and removes the hooks of a wrapper that another one replaces. Collective.

    The nodes that accumulate gradients have hooks that cannot be removed and that hold the wrapper. A node lives as long as a graph
    or a compiled layer refers to it, beyond the next wrapper, so the hooks lose what they act on.
    """
    for chunk in chunks_of(ddp_model):
        if chunk.ddp_config.overlap_param_gather:
            chunk.disable_forward_pre_hook()
        chunk.grad_accs.clear()
        chunk.param_to_bucket_group.clear()
