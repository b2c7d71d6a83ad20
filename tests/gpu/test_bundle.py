"""The acceptance runs with the packages of the GPU host and of the bundle, and no others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.gpu.shapes import ROOT

HOST = ("torch", "numpy", "psutil", "PyYAML", "tqdm", "safetensors")
"""Packages of the host (docs/gpu/README.md); those that torch itself requires are there, too."""
MODULES = {
    "PyYAML": "yaml",
    "absl-py": "absl",
    "megatron-core": "megatron",
    "nvdlfw-inspect": "nvdlfw_inspect",
}
OWN = ("megatron_ko", "checkpoint_tools", "preprocessing", "tests", "transformer_engine", "apex")
SITE = """
import sys
from importlib.machinery import PathFinder

ALLOWED = set({allowed!r})


class OnlyThese(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        where = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
        top = name.partition(".")[0]
        outside = any("site-packages" in str(place) and "_vendor" not in str(place) for place in where)
        return None if outside and top not in ALLOWED and not top.startswith("_") else spec


sys.meta_path[sys.meta_path.index(PathFinder)] = OnlyThese
"""


def bundled() -> set[str]:
    """Requirements of bundle.sh, without versions."""
    script = (ROOT / "tests" / "gpu" / "bundle.sh").read_text(encoding="utf-8")
    shared = (ROOT / "tests" / "gpu" / "compile_engine.sh").read_text(encoding="utf-8")
    body = script[script.index("download_wheels() {") :]
    body = body[body.index('-d "$folder"') : body.index("\n}")]
    names = re.findall(r"^TE_NEEDS=\((.*)\)", shared, re.MULTILINE)[0].split()
    return {word.strip('"').split("==")[0] for word in [*body.split()[2:], *names]} - {
        "\\",
        "$@",
        "${TE_NEEDS[@]}",
    }


def required_by(name: str, seen: set[str]) -> set[str]:
    """A distribution and what it requires, by name."""
    from importlib import metadata

    if name.lower() in seen:
        return seen
    seen.add(name.lower())
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    for requirement in requirements:
        if "extra ==" not in requirement:
            required_by(re.split(r"[^A-Za-z0-9_.-]", requirement)[0], seen)
    return seen


def modules_of(names: set[str]) -> set[str]:
    """Modules that the distributions ``names`` install."""
    from importlib import metadata

    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if any(re.sub(r"[-_.]+", "-", owner).lower() in wanted for owner in owners)
    }


def test_the_bundle_has_what_its_packages_require():
    host: set[str] = set()
    for name in HOST:
        required_by(name, host)
    lacking = set()
    for name in ("megatron-core", "emerging-optimizers", "pydantic", "xxhash", "orjson"):
        lacking |= required_by(name, set()) - host - {entry.lower() for entry in bundled()}
    assert not lacking, "pip installs the bundle without dependencies"


@pytest.mark.slow
@pytest.mark.ranks
@pytest.mark.parametrize(
    ("command", "parts"), [("core", ["cross_devices", "kill_and_resume"]), ("features", ["packing"])]
)
def test_the_acceptance_needs_no_other_package(tmp_path, command, parts):
    host: set[str] = set()
    for name in HOST:
        required_by(name, host)
    allowed = modules_of(host | bundled()) | set(OWN) | {"setuptools", "pkg_resources", "distutils"}
    (tmp_path / "sitecustomize.py").write_text(SITE.format(allowed=sorted(allowed)), encoding="utf-8")
    arguments = [command, "--output", str(tmp_path), "--device", "cpu", "--tiny", "--parts", *parts]
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.accept", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    record = json.loads((tmp_path / f"{command}.json").read_text(encoding="utf-8"))
    errors = {name: part.get("error") for name, part in record["parts"].items()}
    assert done.returncode == 0, (errors, done.stderr[-2000:])
