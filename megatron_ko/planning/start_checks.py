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
from megatron_ko.planning.fp8_rules import ENGINE_MINIMUM
from megatron_ko.planning.installed import find_apex, find_engine, is_older
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
    problems = [*_engine(loaded.config), *_apex(loaded.config), *_attention(loaded.config, environment)]
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])


def _engine(config: Config) -> Iterator[Found]:
    """Transformer Engine, where the configuration or one of its defaults uses it."""
    engine = find_engine()
    on_gpu = config.run.device == "cuda"
    path, value = _need_of_engine(config) if on_gpu else ("", "")
    recipe = "tensorwise" if path.endswith(".teacher_fp8") else config.precision.fp8.type
    minimum = ENGINE_MINIMUM.get(recipe, "2.0")
    if path and engine is None:
        remedy = f"pip install -e '.[gpu]', or remove {path}"
        yield (
            path,
            f"{value} needs Transformer Engine {minimum} or newer, which is not installed; {remedy}",
            "engine-missing",
        )
    elif engine is not None and engine.defect and (on_gpu or not engine.version):
        # megatron-core would fail to import, with a left-over folder on the CPU, too
        yield path or "speed.layers", f"Transformer Engine cannot be used: {engine.defect}", "engine-broken"
    elif path and engine is not None and is_older(engine.version, minimum):
        yield (
            path,
            f"{value} needs Transformer Engine {minimum} or newer, but {engine.version or 'an unknown version'} is installed; "
            "pip install -e '.[gpu]'",
            "engine-too-old",
        )


def _need_of_engine(config: Config) -> tuple[str, str]:
    """The first field that needs Transformer Engine, and its value; empty if none does."""
    speed, fp8 = config.speed, config.precision.fp8
    distillations = list(sections_of(config.distillation, config.stages))
    needs = (
        ("precision.fp8", fp8.type, uses_fp8(fp8)),
        *((f"{path}.teacher_fp8", "true", section.teacher_fp8) for path, section in distillations),
        ("speed.layers", speed.layers, speed.layers == "engine"),
        ("speed.attention", speed.attention, speed.attention in ("flash", "fused")),
        ("speed.fused_rope", "true", bool(speed.fused_rope)),
        ("speed.fused_norm_linear", "true", bool(speed.fused_norm_linear)),
        ("speed.overlap_tensor_parallel", "true", speed.overlap_tensor_parallel),
        ("speed.adam", speed.adam, speed.adam == "engine"),
        ("speed.precision_aware_adam", "true", speed.precision_aware_adam),
    )
    return next(((path, value) for path, value, needed in needs if needed), ("", ""))


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
