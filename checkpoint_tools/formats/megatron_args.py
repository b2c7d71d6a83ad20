"""The arguments in a checkpoint of Megatron-LM, read without executing foreign code, as a ModelConfig.

Owns which arguments describe a model here and which are refused because of what they compute. The arguments are an
``argparse.Namespace`` in a pickle (in ``common.pt``, or from megatron-core 0.17 on in the object ``common_state`` of the
index). Only plain values are unpickled; objects of known harmless kinds become a ``Placeholder``, everything else is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from checkpoint_tools.formats.torch_dist import read_object
from megatron_ko.config.model import Llama3RopeScaling, ModelConfig, RopeConfig
from megatron_ko.errors import CheckpointError, Problem, first_line

COMMON = "common.pt"
_OBJECT = "common_state"
_ERRORS = (
    OSError, EOFError, RuntimeError, AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError,
    MemoryError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
_NUMBERS = {
    "layers": "num_layers", "hidden_size": "hidden_size", "ffn_hidden_size": "ffn_hidden_size",
    "heads": "num_attention_heads", "max_sequence_length": "max_position_embeddings",
}  # fmt: skip
_MUST_BE: dict[str, Any] = {
    "position_embedding_type": "rope", "normalization": "RMSNorm", "swiglu": True, "add_bias_linear": False,
}  # fmt: skip
"""Arguments whose default in Megatron-LM is another model."""
_MAY_BE: dict[str, tuple[Any, ...]] = {
    "rotary_percent": (1.0,), "rotary_interleaved": (False,), "rotary_seq_len_interpolation_factor": (None, 1),
    "apply_layernorm_1p": (False,), "apply_residual_connection_post_layernorm": (False,), "num_experts": (None, 0),
    "multi_latent_attention": (False,), "mtp_num_layers": (None, 0), "window_size": (None,), "qk_l2_norm": (False,),
    "window_attn_skip_freq": (None,), "softmax_scale": (None,), "softmax_type": ("vanilla",), "no_rope_freq": (None,),
    "attention_output_gate": (False,), "experimental_attention_variant": (None,), "linear_attention_freq": (None,),
    "use_mup": (False,), "glu_linear_offset": (0.0,), "activation_func_clamp_value": (None,), "squared_relu": (False,),
    "quick_geglu": (False,), "openai_gelu": (False,), "heterogeneous_layers_config_path": (None, ""),
    "heterogeneous_layers_config_encoded_json": (None, ""), "is_hybrid_model": (False,), "mrope_section": (None,),
    "hybrid_override_pattern": (None, ""), "hybrid_layer_pattern": (None, ""), "hybrid_attention_ratio": (0.0,),
    "hybrid_mlp_ratio": (0.0,), "spec": (None,), "retro_add_retriever": (False,),
}  # fmt: skip
"""Arguments that may be absent (older versions do not have them), with the values that change nothing."""


class Placeholder:
    """Stands for an object that is not read: a tensor, an enum, an object of megatron-core."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Placeholder:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __setstate__(self, state: Any) -> None: ...
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...
    def __repr__(self) -> str:
        return "an object"


# --- reading ---------------------------------------------------------------------------------------------


def read_args(folder: Path) -> dict[str, Any]:
    """The arguments of the run that wrote the checkpoint. Raises CheckpointError for damaged or foreign content."""
    path = folder / COMMON
    try:
        if path.is_file():
            content = path.read_bytes()
        else:
            path, content = folder / ".metadata", read_object(folder, _OBJECT)
        state = _unpickle(content)
    except _ForeignClass as error:
        raise CheckpointError(
            f"{path}: contains {error}, and reading such an object can run any code; only arguments of Megatron-LM are read",
            rule="foreign-class",
        ) from None
    except _ERRORS as error:
        raise CheckpointError(
            f"{path}: is damaged ({first_line(error)}); use another checkpoint", rule="damaged-checkpoint"
        ) from None
    if isinstance(state, list) and len(state) == 1:  # megatron-core wraps an object of the index
        state = state[0]
    args = state.get("args") if isinstance(state, dict) else None
    if not isinstance(args, Namespace):
        raise CheckpointError(
            f"{path}: contains no arguments (args); Megatron-LM did not write this checkpoint, or without them; save it again "
            "with Megatron-LM",
            rule="missing-arguments",
        )
    return vars(args)


def _unpickle(content: bytes) -> Any:
    """The value that ``torch.save`` wrote, with a placeholder for each tensor."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        return _Unpickler(io.BytesIO(archive.read(name))).load()


class _ForeignClass(Exception):
    """A global that is not on the allow-list."""


class _Unpickler(pickle.Unpickler):
    _PLAIN = {
        ("argparse", "Namespace"): Namespace,
        ("types", "SimpleNamespace"): SimpleNamespace,
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "Size"): torch.Size,
    }
    _IGNORED = frozenset(
        (("builtins", "getattr"), ("signal", "Signals"), ("io", "BytesIO"), ("_io", "BytesIO"), ("torch", "device"),
         ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter"), ("_codecs", "encode"),
         ("pathlib", "PosixPath"), ("pathlib", "Path"), ("pathlib", "PurePosixPath"), ("pathlib._local", "PosixPath"),
         ("numpy", "ndarray"), ("numpy", "dtype"))
    )  # fmt: skip
    """Replaced by a placeholder: neither imported nor called."""
    _IGNORED_MODULES = ("megatron.", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.dtypes")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._PLAIN:
            return self._PLAIN[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        is_storage = module in ("torch", "torch.storage") and name.endswith("Storage")
        if (module, name) in self._IGNORED or module.startswith(self._IGNORED_MODULES) or is_storage:
            return Placeholder
        raise _ForeignClass(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return Placeholder()


# --- meaning ---------------------------------------------------------------------------------------------


def model_of(args: dict[str, Any], where: str) -> ModelConfig:
    """The model that the arguments describe. Raises CheckpointError listing all that are missing or not supported."""
    problems = [Problem(where, *problem) for problem in _find_problems(args)]
    if problems:
        raise CheckpointError(problems)
    fields = {ours: args[theirs] for ours, theirs in _NUMBERS.items()}
    heads = args["num_attention_heads"]
    rope = RopeConfig(base=float(args["rotary_base"]))
    if args.get("use_rope_scaling"):
        scaling = Llama3RopeScaling(
            type="llama3", factor=float(args["rope_scaling_factor"]), low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_sequence_length=8192,
        )  # fmt: skip
        rope = RopeConfig(base=float(args["rotary_base"]), scaling=scaling)
    return ModelConfig(
        **fields,
        kv_groups=args["num_query_groups"] if args.get("group_query_attention") else heads,
        head_size=args.get("kv_channels"),
        tied_embeddings=not args["untie_embeddings_and_output_weights"],
        norm_epsilon=args["norm_epsilon"],
        qkv_bias=bool(args.get("add_qkv_bias")),
        qk_norm=bool(args.get("qk_layernorm")),
        init_std=args.get("init_method_std") or 0.02,
        rope=rope,
    )


def _find_problems(args: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """``(argument, message, rule)`` of each argument that is missing, or describes another model."""
    numbers = [*_NUMBERS.values(), "norm_epsilon", "rotary_base", "padded_vocab_size"]
    if args.get("group_query_attention"):
        numbers.append("num_query_groups")
    if args.get("use_rope_scaling"):
        numbers.append("rope_scaling_factor")
    numbers += [name for name in ("kv_channels", "init_method_std") if args.get(name) is not None]
    for name in numbers:
        value = args.get(name)
        whole = name not in ("norm_epsilon", "rotary_base", "rope_scaling_factor", "init_method_std")
        if name not in args:
            yield (
                name,
                "is missing in the arguments; save the checkpoint with a newer Megatron-LM",
                "missing-argument",
            )
        elif not _is_number(value, whole):
            yield name, f"is {value!r}, but must be a number above 0; use another checkpoint", "not-a-number"
    yield from _find_uneven(args)
    for name in (*_MUST_BE, "untie_embeddings_and_output_weights"):
        if name not in args:
            yield (
                name,
                "is missing in the arguments; save the checkpoint with a newer Megatron-LM",
                "missing-argument",
            )
    for name, value in _MUST_BE.items():
        if name in args and not _equals(args[name], (value,)):
            yield name, f"is {args[name]!r}, but only {value!r} is supported", "unsupported-argument"
    for name, values in _MAY_BE.items():
        if name in args and not _equals(args[name], values):
            allowed = " or ".join(map(repr, values))
            yield name, f"is {args[name]!r}, but only {allowed} is supported", "unsupported-argument"


def _is_number(value: Any, whole: bool) -> bool:
    """Whether it is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return False
    return 0 < value < math.inf


def _find_uneven(args: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    heads, groups, hidden = (args.get(n) for n in ("num_attention_heads", "num_query_groups", "hidden_size"))
    if type(heads) is not int or heads <= 0:
        return
    if args.get("group_query_attention") and type(groups) is int and groups > 0 and heads % groups:
        yield "num_query_groups", f"{groups} does not divide num_attention_heads {heads}", "does-not-divide"
    if args.get("kv_channels") is None and type(hidden) is int and hidden % heads:
        yield "num_attention_heads", f"{heads} does not divide hidden_size {hidden}", "does-not-divide"


def _equals(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(isinstance(value, bool) == isinstance(a, bool) and value == a for a in allowed)
