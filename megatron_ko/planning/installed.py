"""What is installed beside megatron-core: Transformer Engine, FlashAttention, NVIDIA's Apex or the package that shares its name.

Looks at files and metadata; imports neither. ``planning/start_checks.py`` owns what a run needs of them.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

ApexBuild = Literal["none", "namesake", "uncompiled", "compiled"]
_APEX_MODULES = ("amp_C", "fused_weight_gradient_mlp_cuda")
"""Compiled by NVIDIA's Apex: the kernels of FusedAdam, and of gradient accumulation within matrix products."""


@dataclass(frozen=True)
class Engine:
    """An installed Transformer Engine. ``defect`` is why it cannot be used, empty if it can."""

    version: str
    defect: str = ""


def find_engine() -> Engine | None:
    """The installed Transformer Engine, or None."""
    spec = importlib.util.find_spec("transformer_engine")
    if spec is None:
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if spec.origin is None:  # a namespace package: a folder without __init__.py
        where = ", ".join(map(str, folders))
        return Engine("", f"{where} is a left-over folder without the package; delete it")
    version = _version_of("transformer-engine", "transformer_engine")
    if not _has_torch_side(folders):
        defect = "its PyTorch side (transformer_engine_torch) is missing; pip install --no-build-isolation -e '.[gpu]'"
        return Engine(version, defect)
    return Engine(version)


def uses_engine() -> bool:
    """Whether an installed Transformer Engine can be used."""
    engine = find_engine()
    return engine is not None and not engine.defect


def _has_torch_side(folders: list[Path]) -> bool:
    if importlib.util.find_spec("transformer_engine_torch") is not None:
        return True
    places = [place for folder in folders for place in (folder, folder / "wheel_lib", folder.parent)]
    return any(True for place in places for _ in place.glob("transformer_engine_torch*.so"))


def _version_of(*names: str) -> str:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""


def find_torch_cudnn() -> Path | None:
    """Folder of the cuDNN that came with torch as a package of its own, or None, as where torch was built from source."""
    try:
        spec = importlib.util.find_spec("nvidia.cudnn")
    except ModuleNotFoundError:
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    return next((folder for folder in folders if any(folder.glob("lib/libcudnn.so*"))), None)


def has_flash_attention() -> bool:
    """Whether FlashAttention's own package is installed, which Transformer Engine does not bring."""
    return bool(_version_of("flash-attn", "flash-attn-3"))


def find_apex() -> ApexBuild:
    """compiled: NVIDIA's with its extensions; uncompiled: NVIDIA's without them; namesake: another package of that name."""
    spec = importlib.util.find_spec("apex")
    if spec is None:
        return "none"
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not any((folder / "optimizers" / "fused_adam.py").is_file() for folder in folders):
        return "namesake"
    compiled = all(importlib.util.find_spec(name) is not None for name in _APEX_MODULES)
    return "compiled" if compiled else "uncompiled"


def is_older(version: str, minimum: str) -> bool:
    """Whether ``version`` (``2.11.0+cu13``) is below ``minimum`` (``2.2``); an unknown version is older than any."""
    return _numbers(version) < _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:2])
