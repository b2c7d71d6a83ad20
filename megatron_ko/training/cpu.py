"""megatron-core on the CPU over gloo, unmodified: the only file that adapts torch.

megatron-core uses CUDA in factory calls, random state and tensor type strings. ``enable`` redirects them to the CPU for
the calling process: a torch function mode rewrites devices, and the few functions of ``torch.cuda`` that megatron-core
calls become their CPU counterparts or do nothing. Training on GPUs uses nothing of this module, and GPU-only features are
an error in ``planning/config_rules.py``, never a fallback here.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CPU = torch.device("cpu")
_enabled = False


@contextlib.contextmanager
def without_compiler() -> Iterator[None]:
    """Disables ``torch.compile`` while megatron-core is imported.

    Its fusions stay plain functions, and torch's compiler, which takes seconds, is not loaded.
    """
    plain = torch.compile
    torch.compile = lambda model=None, **kwargs: model if model is not None else (lambda function: function)  # type: ignore
    try:
        yield
    finally:
        torch.compile = plain


def enable() -> None:
    """Call once per process, after megatron-core is imported and before it builds anything. Idempotent."""
    global _enabled
    if _enabled:
        return
    _enabled = True
    _replace_cuda_functions()
    _use_torch_adam()
    _use_local_norms()
    _skip_single_rank_reduce_scatter()
    mode = _CudaMeansCpu()
    mode.__enter__()
    _keep_mode_in_backward(mode)


def _names_cuda(device: Any) -> bool:
    if isinstance(device, torch.device):
        return device.type == "cuda"
    if isinstance(device, str):
        return device.startswith("cuda")
    return isinstance(device, int) and not isinstance(device, bool)


class _CudaMeansCpu(TorchFunctionMode):
    """Rewrites CUDA devices in factories, ``.to`` and ``.cuda``; type strings contain ``torch.cuda`` as on a GPU."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if kwargs:
            if _names_cuda(kwargs.get("device")):
                kwargs = dict(kwargs, device=_CPU)
            if kwargs.get("pin_memory"):
                kwargs = dict(kwargs, pin_memory=False)
        if func in _REPLACED:  # almost no call is; this method runs for every operation
            return _REPLACED[func](*args, **(kwargs or {}))
        return func(*args, **kwargs) if kwargs else func(*args)


def _to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    if args and _names_cuda(args[0]):
        args = (_CPU, *args[1:])
    return torch.Tensor.to(tensor, *args, **kwargs)


def _cat(tensors: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    if len(tensors) == 2 and tensors[1].numel() == 0 and tensors[0].ndim == tensors[1].ndim:
        # rotary embedding appends an empty rest, which costs a copy here and zeros in the backward pass
        return tensors[0]
    return torch.cat(tensors, *args, **kwargs)


def _type(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    result = torch.Tensor.type(tensor, *args, **kwargs)
    return result if args or kwargs else result.replace("torch.", "torch.cuda.")


_REPLACED: dict[Any, Callable[..., Any]] = {
    torch.Tensor.cuda: lambda tensor, *args, **kwargs: tensor,
    torch.Tensor.pin_memory: lambda tensor, *args, **kwargs: tensor,
    torch.Tensor.to: _to,
    torch.Tensor.type: _type,
    torch.cat: _cat,
}


def _keep_mode_in_backward(mode: TorchFunctionMode) -> None:
    """Enables the mode in ``backward``, which runs inside a handler where it is off: custom functions allocate there."""
    plain = torch.autograd._engine_run_backward

    @functools.wraps(plain)
    def run_backward(*args, **kwargs):
        with mode:
            return plain(*args, **kwargs)

    torch.autograd._engine_run_backward = run_backward


class _Inert:
    """Stream or event without effect, for a device that has none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None

    def __enter__(self) -> _Inert:
        return self

    def __exit__(self, *exc: Any) -> None:
        return None

    def query(self) -> bool:
        return True

    def elapsed_time(self, other: Any) -> float:
        return 0.0


def _nothing() -> Callable[..., None]:
    """Returns a function that does nothing: a new one each time, because torch distinguishes functions by identity."""
    return lambda *args, **kwargs: None


def _replace_cuda_functions() -> None:
    cuda = torch.cuda
    inert = _Inert()
    # a GPU of this host must not change a run on the CPU, such as which random states a checkpoint contains
    cuda.is_available = lambda: False
    cuda.device_count = lambda: 0
    cuda.current_device = lambda: 0
    cuda.is_initialized = lambda: True
    for name in ("set_device", "synchronize", "empty_cache", "set_stream", "_lazy_init"):
        setattr(cuda, name, _nothing())
    cuda.Stream = cuda.Event = _Inert  # type: ignore[misc, assignment]
    cuda.current_stream = lambda *args, **kwargs: inert
    cuda.default_stream = lambda *args, **kwargs: inert
    cuda.stream = lambda *args, **kwargs: contextlib.nullcontext()
    cuda.device = lambda *args, **kwargs: contextlib.nullcontext()
    for name in ("range_push", "range_pop", "mark"):
        setattr(cuda.nvtx, name, _nothing())
    cuda.get_rng_state = cuda.random.get_rng_state = lambda *args, **kwargs: torch.get_rng_state()
    cuda.set_rng_state = cuda.random.set_rng_state = lambda state, *args, **kwargs: torch.set_rng_state(state)
    cuda.manual_seed = lambda seed: torch.default_generator.manual_seed(seed)
    cuda.manual_seed_all = lambda seed: torch.default_generator.manual_seed(seed)
    cuda.default_generators = (torch.default_generator,)
    cuda._lazy_call = lambda callback, **kwargs: callback()
    import megatron.core.tensor_parallel.random as megatron_random  # imports these names by value

    megatron_random._lazy_call = cuda._lazy_call
    megatron_random._lazy_init = cuda._lazy_init


def _use_torch_adam() -> None:
    """Selects torch's Adam: megatron-core would use the CUDA optimizer of an installed Transformer Engine or Apex."""
    from megatron.core import optimizer
    from megatron.core.optimizer import distrib_optimizer

    optimizer.USING_PYTORCH_OPTIMIZER = True
    distrib_optimizer.HAVE_APEX_OR_TE = False
    distrib_optimizer.USING_TE_OPTIMIZER = distrib_optimizer.USING_APEX_OPTIMIZER = False


def _use_local_norms() -> None:
    """Selects megatron-core's own gradient norm and clipping: those of an installed Transformer Engine or Apex need CUDA."""
    from megatron.core import utils
    from megatron.core.optimizer import clip_grads
    from megatron.core.optimizer import optimizer as megatron_optimizer

    modules: tuple[Any, ...] = (clip_grads, megatron_optimizer)
    for module in modules:
        module.multi_tensor_applier = utils.local_multi_tensor_applier
        module.multi_tensor_scale_impl = utils.local_multi_tensor_scale
    clip_grads.l2_norm_impl = utils.local_multi_tensor_l2_norm
    clip_grads.multi_tensor_scale_tensor_impl = None


def _skip_single_rank_reduce_scatter() -> None:
    """Skips the reduce-scatter of a single data-parallel rank, for which gloo would copy all gradients three times."""
    import torch.distributed as dist
    from megatron.core.distributed import param_and_grad_buffer

    plain = param_and_grad_buffer.dist_reduce_scatter_func

    def reduce_scatter(
        output: torch.Tensor, gradients: torch.Tensor, *, group: Any, async_op: bool, **kwargs: Any
    ) -> Any:
        if dist.get_world_size(group) > 1 or async_op:
            return plain(output, gradients, group=group, async_op=async_op, **kwargs)
        if output.data_ptr() != gradients.data_ptr():
            output.copy_(gradients.view_as(output))
        return None

    param_and_grad_buffer.dist_reduce_scatter_func = reduce_scatter
