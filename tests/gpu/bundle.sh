#!/usr/bin/env bash
# Collects what a Hopper host without a network needs beside its own CPython 3.12 and torch 2.11.0+cu130: megatron-core,
# Transformer Engine, and small wheels, in folders of at most 55 MiB that can be carried one by one (docs/gpu/README.md).
#   bundle.sh OUT_DIR [REQUIREMENT ...]
# Transformer Engine's PyTorch side is compiled here; that needs no GPU, but nvcc 13 and g++. OUT_DIR/build is kept for the
# next time. TE_VERSION, CORE_VERSION, PYTHON, CUDA_HOME, MAX_JOBS override what is chosen.
set -euo pipefail

OUT=$(realpath -m "${1:?usage: bundle.sh OUT_DIR [REQUIREMENT ...]}")
shift
CORE_VERSION=${CORE_VERSION:-0.19.2}
TORCH_VERSION=2.11.0
PYTHON=${PYTHON:-python3.12}
BUILD=$OUT/build
PART_BYTES=$((55 * 1024 * 1024))
PIECE_SIZE=50m
# shellcheck source=tests/gpu/compile_engine.sh
. "$(dirname "$(realpath "$0")")/compile_engine.sh"

prepare_compiler() { # an environment with the GPU host's torch
  local pip=("$BUILD/venv/bin/python" -m pip --disable-pip-version-check)
  [ -x "$BUILD/venv/bin/python" ] || "$PYTHON" -m venv "$BUILD/venv"
  "${pip[@]}" install -q "torch==$TORCH_VERSION" numpy setuptools wheel ninja pybind11 pydantic "${TE_NEEDS[@]}"
  "${pip[@]}" install -q --no-deps "transformer-engine==$TE_VERSION" "transformer-engine-cu13==$TE_VERSION"
}

download_wheels() { # FOLDER REQUIREMENT ...
  local folder=$1 glibc target
  shift
  target=(--python-version 3.12 --implementation cp --only-binary=:all: --no-deps --platform manylinux2014_x86_64)
  for glibc in 2_39 2_35 2_34 2_31 2_28 2_27 2_24 2_17; do # pip compares them exactly
    target+=(--platform "manylinux_${glibc}_x86_64")
  done
  "$PYTHON" -m pip --disable-pip-version-check download -q "${target[@]}" -d "$folder" \
    "megatron-core==$CORE_VERSION" emerging-optimizers==0.3.0 absl-py \
    "transformer-engine==$TE_VERSION" "transformer-engine-cu13==$TE_VERSION" "${TE_NEEDS[@]}" \
    pydantic==2.14.3 pydantic-core==2.50.4 annotated-types typing-inspection orjson xxhash "$@"
}

number=0 filled=$PART_BYTES
place() { # FILE: moves it into the current part, or into the next one where it does not fit
  local bytes
  bytes=$(stat -c %s "$1")
  if ((filled + bytes > PART_BYTES)); then
    number=$((number + 1)) filled=0
    mkdir -p "$OUT/part$number"
  fi
  mv "$1" "$OUT/part$number/"
  filled=$((filled + bytes))
}

mkdir -p "$BUILD/wheels"
if ! compgen -G "$BUILD/wheels/transformer_engine_torch-$TE_VERSION-*.whl" >/dev/null; then
  prepare_compiler
  compile_engine "$BUILD/venv/bin/python" "$BUILD"
fi
WHEELS=$(mktemp -d)
trap 'rm -rf "$WHEELS"' EXIT
download_wheels "$WHEELS" "$@"
cp "$BUILD/wheels/transformer_engine_torch-$TE_VERSION"-*.whl "$WHEELS"
rm -rf "$OUT"/part*
for file in "$WHEELS"/*; do # part1 has every small one: enough for all but Transformer Engine
  (($(stat -c %s "$file") > PART_BYTES)) || place "$file"
done
for file in "$WHEELS"/*; do
  [ -e "$file" ] || continue
  split -b "$PIECE_SIZE" -d "$file" "$file.piece."
  rm "$file"
  for piece in "$file".piece.*; do place "$piece"; done
done
du -sh "$OUT"/part*
