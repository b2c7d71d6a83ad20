#!/usr/bin/env bash
# Makes an environment with the packages of BASE and Transformer Engine, for the tests of the wiring; no GPU is needed.
#   te_env.sh ENVIRONMENT BASE
# BASE is an environment with Python 3.12 and torch built for CUDA 13; nothing is written into it. TE_VERSION, CUDA_HOME, MAX_JOBS
# override what is chosen. The compiled wheel is kept in ENVIRONMENT-build for the next time.
set -euo pipefail

ENVIRONMENT=$(realpath -m "${1:?usage: te_env.sh ENVIRONMENT BASE}")
BASE=$(realpath "${2:?usage: te_env.sh ENVIRONMENT BASE}")
BUILD=$ENVIRONMENT-build
# shellcheck source=tests/gpu/compile_engine.sh
. "$(dirname "$(realpath "$0")")/compile_engine.sh"

found=$("$BASE/bin/python" -c 'import sys, torch; print(*sys.version_info[:2], (torch.version.cuda or "none").split(".")[0], sep=".")')
[ "$found" = 3.12.13 ] || {
  echo "error: $BASE has Python.CUDA $found; Transformer Engine's test needs Python 3.12 and a torch for CUDA 13 (PyPI's)" >&2
  exit 2
}
python=$ENVIRONMENT/bin/python
"$("$BASE/bin/python" -c 'import os, sys; print(os.path.join(sys.base_prefix, "bin", "python3.12"))')" -m venv --clear "$ENVIRONMENT"
"$python" -m pip --disable-pip-version-check install -q --no-deps "transformer-engine==$TE_VERSION" \
  "transformer-engine-cu13==$TE_VERSION" "${TE_NEEDS[@]}" wheel ninja pybind11
# after pip, which must not see, let alone change, the packages of BASE
purelib() { "$1" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'; }
site=$(purelib "$python") base=$(purelib "$BASE/bin/python")
"$python" -c 'import sys; print("import site; site.addsitedir(%r)" % sys.argv[1])' "$base" >"$site/base.pth"
ln -s "$base/nvidia" "$site/nvidia" # Transformer Engine looks for libraries of CUDA nowhere else
echo "compiling Transformer Engine $TE_VERSION (minutes), unless $BUILD has it"
compile_engine "$python" "$BUILD"
"$python" -m pip --disable-pip-version-check install -q --no-deps --no-index "$BUILD"/wheels/transformer_engine_torch-"$TE_VERSION"-*.whl
"$python" -c 'import transformer_engine.pytorch, transformer_engine as te; print("Transformer Engine", te.__version__)'
