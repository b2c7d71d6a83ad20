"""What a run needs of the packages on this machine, checked before it starts; planning for another machine needs none of it.

The GPU itself is checked by each rank (``training/engine.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.config.loading import Loaded
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from megatron_ko.planning.distillation_rules import sections_of
from megatron_ko.planning.fp8_rules import ENGINE_MINIMUM, RECOMPUTED_NORMS, recomputes_norms
from megatron_ko.planning.installed import find_apex, find_engine, has_flash_attention, is_older
from megatron_ko.planning.speed import switches_of

_ATTENTION = ("NVTE_FLASH_ATTN", "NVTE_FUSED_ATTN", "NVTE_UNFUSED_ATTN")
_EXPECTED = {"flash": ("1", "0", "0"), "fused": ("0", "1", "0")}
_APEX_IS = {
    "none": "is not installed",
    "namesake": "is another package of that name (PyPI's 'apex', which is not NVIDIA's)",
    "uncompiled": "was built without its CUDA extensions",
}
Found = tuple[str, str, str]


def check_installed(loaded: Loaded[Config], environment: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError with every package that the run needs and this machine lacks."""
    config = loaded.config
    problems = [
        *_engine(config), *_flash_attention(config), *_apex(config), *_attention(config, environment)
    ]  # fmt: skip
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])


def _engine(config: Config) -> Iterator[Found]:
    """Transformer Engine, where the configuration or one of its defaults uses it."""
    engine = find_engine()
    on_gpu = config.run.device == "cuda"
    needs = _needs_of_engine(config) if on_gpu else []
    if needs and engine is None:
        path, value, minimum = needs[0]
        yield (
            path,
            f"{value} needs Transformer Engine {minimum} or newer, which is not installed; pip install --no-build-isolation -e "
            f"'.[gpu]', or remove {path}",
            "engine-missing",
        )
    elif engine is not None and engine.defect and (on_gpu or not engine.version):
        # megatron-core would fail to import, with a left-over folder on the CPU, too
        path = needs[0][0] if needs else "speed.layers"
        yield path, f"Transformer Engine cannot be used: {engine.defect}", "engine-broken"
    elif engine is not None:
        for path, value, minimum in needs:
            if is_older(engine.version, minimum):
                yield (
                    path,
                    f"{value} needs Transformer Engine {minimum} or newer, but {engine.version or 'an unknown version'} is "
                    "installed; pip install --no-build-isolation -e '.[gpu]'",
                    "engine-too-old",
                )


def _needs_of_engine(config: Config) -> list[Found]:
    """The fields that need Transformer Engine: path, value, oldest version."""
    speed, fp8, oldest = config.speed, config.precision.fp8, "2.0"
    with_norms = uses_fp8(fp8) and recomputes_norms(config.parallel)
    teachers = [
        (path, section.teacher_fp8) for path, section in sections_of(config.distillation, config.stages)
    ]
    needs = (
        ("precision.fp8", fp8.type, uses_fp8(fp8), ENGINE_MINIMUM.get(fp8.type, oldest)),
        ("parallel.recompute.modules", f"norms with precision.fp8 {fp8.type}", with_norms, RECOMPUTED_NORMS),
        *((f"{path}.teacher_fp8", "true", in_fp8, ENGINE_MINIMUM["tensorwise"]) for path, in_fp8 in teachers),
        ("speed.layers", speed.layers, speed.layers == "engine", oldest),
        ("speed.attention", speed.attention, speed.attention in ("flash", "fused"), oldest),
        ("speed.fused_rope", "true", bool(speed.fused_rope), oldest),
        ("speed.fused_norm_linear", "true", bool(speed.fused_norm_linear), oldest),
        ("speed.overlap_tensor_parallel", "true", speed.overlap_tensor_parallel, oldest),
        ("speed.adam", speed.adam, speed.adam == "engine", oldest),
        ("speed.precision_aware_adam", "true", speed.precision_aware_adam, "2.1"),
    )
    return [(path, value, minimum) for path, value, needed, minimum in needs if needed]


def _flash_attention(config: Config) -> Iterator[Found]:
    """Transformer Engine calls FlashAttention, but does not contain it: without it, no kernel would be left."""
    if config.run.device == "cuda" and config.speed.attention == "flash" and not has_flash_attention():
        yield (
            "speed.attention",
            "flash needs the package flash-attn, which is not installed; install it, or set fused (cuDNN, which is part of "
            "Transformer Engine) or auto",
            "flash-attention-missing",
        )


def _apex(config: Config) -> Iterator[Found]:
    if config.run.device == "cpu":
        return
    build, speed = find_apex(), config.speed
    own_fusion = speed.fused_gradient_accumulation is True and switches_of(config).layers == "own"
    for path, value, needs in (
        ("speed.adam", "apex", speed.adam == "apex"),
        ("speed.fused_gradient_accumulation", "true in own layers", own_fusion),
    ):
        if needs and build != "compiled":
            yield (
                path,
                f"{value} needs NVIDIA's Apex with its CUDA extensions, but apex {_APEX_IS[build]}; build NVIDIA's Apex from "
                f"source, or remove {path}",
                "apex-namesake" if build == "namesake" else "apex-missing",
            )


def _attention(config: Config, environment: Mapping[str, str]) -> Iterator[Found]:
    """megatron-core sets these variables itself and fails where they have another value."""
    expected = _EXPECTED.get(switches_of(config).attention, ("1", "1", "1"))
    for name, value in zip(_ATTENTION, expected):
        if environment.get(name, value) != value:
            yield (
                "speed.attention",
                f"{config.speed.attention}: the environment variable {name} is {environment[name]}, but megatron-core sets it to "
                f"{value}; unset it and choose the kernel here",
                "attention-environment",
            )
