# Sourced by bundle.sh and te_env.sh: what both share of Transformer Engine.
# Its PyTorch side has no wheels; it is compiled here for the torch of an environment. That needs no GPU, but nvcc 13 and g++.
TE_VERSION=${TE_VERSION:-2.11.0}
# what Transformer Engine imports beside torch and the packages of requirements.txt
TE_NEEDS=(nvdlfw-inspect einops packaging onnx onnxscript onnx-ir ml-dtypes protobuf)

compile_engine() { # PYTHON FOLDER: a wheel in FOLDER/wheels for the torch of PYTHON, unless it is there
  local python=$1 folder=$2 nvidia part include=() lib=()
  compgen -G "$folder/wheels/transformer_engine_torch-$TE_VERSION-*.whl" >/dev/null && return
  export CUDA_HOME="${CUDA_HOME:-/usr/local/cuda}"
  [ -x "$CUDA_HOME/bin/nvcc" ] || {
    echo "error: $CUDA_HOME/bin/nvcc is missing; install CUDA 13's toolkit, or name it: CUDA_HOME=/path/to/cuda-13" >&2
    return 2
  }
  mkdir -p "$folder/wheels"
  "$python" -m pip --disable-pip-version-check download -q --no-deps --no-build-isolation \
    --no-binary=transformer-engine-torch -d "$folder" "transformer-engine-torch==$TE_VERSION"
  # headers and libraries of CUDA, cuDNN and NCCL come with torch's own packages; several folders can make up "nvidia"
  nvidia=$("$python" -c 'import importlib.util, pathlib
folders = map(pathlib.Path, importlib.util.find_spec("nvidia").submodule_search_locations)
print(next((folder for folder in folders if (folder / "cu13/include/cusparse.h").exists()), ""))')
  [ -n "$nvidia" ] || {
    echo "error: the torch of $python came without the headers of CUDA 13; install PyPI's torch" >&2
    return 2
  }
  for part in cu13 cudnn nccl; do
    include+=("$nvidia/$part/include")
    lib+=("$nvidia/$part/lib")
  done
  (
    IFS=:
    export CPATH="${include[*]}" LIBRARY_PATH="${lib[*]}" LD_LIBRARY_PATH="${lib[*]}"
    unset IFS
    PATH="$(dirname "$python"):$PATH"
    export PATH CUDNN_PATH="$nvidia/cudnn" MAX_JOBS="${MAX_JOBS:-$(nproc)}"
    export NVTE_FRAMEWORK=pytorch NVTE_CUDA_ARCHS=90 TORCH_CUDA_ARCH_LIST=9.0
    export NVTE_PYTORCH_FORCE_BUILD=TRUE # or it would look for a prebuilt one on the web
    "$python" -m pip --disable-pip-version-check wheel -q --no-deps --no-build-isolation -w "$folder/wheels" \
      "$folder/transformer_engine_torch-$TE_VERSION.tar.gz"
  )
}
