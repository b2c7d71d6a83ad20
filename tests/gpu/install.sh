#!/usr/bin/env bash
# On the GPU host: joins the pieces of bundle.sh and installs the wheels beside the host's own torch. Compiles nothing.
#   install.sh BUNDLE_DIR SITE_DIR      then: . SITE_DIR/activate.sh
# BUNDLE_DIR has the files of the parts, or the folders part1, part2, ... With part1 alone, all but Transformer Engine is
# installed. PYTHON (default python3) is the Python that has torch.
set -euo pipefail

BUNDLE=$(realpath "${1:?usage: install.sh BUNDLE_DIR SITE_DIR}")
SITE=$(realpath -m "${2:?usage: install.sh BUNDLE_DIR SITE_DIR}")
PYTHON=${PYTHON:-python3}
WHEELS=$(mktemp -d)
trap 'rm -rf "$WHEELS"' EXIT

files=() # sorted by name, in which the pieces of a wheel are in order
while IFS= read -r -d '' file; do files+=("$file"); done \
  < <(find "$BUNDLE" -maxdepth 2 -path "$BUNDLE/build" -prune -o -type f -name '*.whl*' -printf '%f\t%p\0' | sort -z | cut -z -f2-)
[ ${#files[@]} -gt 0 ] || { echo "error: $BUNDLE has no wheels; copy a part of bundle.sh there" >&2; exit 2; }
has_engine=false
for file in "${files[@]}"; do
  name=$(basename "$file")
  [[ $name != transformer_engine_cu13-* ]] || has_engine=true
done
for file in "${files[@]}"; do
  name=$(basename "$file")
  [[ $name == transformer_engine* && $has_engine == false ]] && continue # useless without its core
  case $name in
    *.piece.*) cat "$file" >>"$WHEELS/${name%.piece.*}" ;;
    *) cp "$file" "$WHEELS/" ;;
  esac
done
for wheel in "$WHEELS"/*.whl; do
  name=$(basename "$wheel")
  "$PYTHON" -m zipfile -t "$wheel" >/dev/null 2>&1 || {
    pieces=$(cd "$BUNDLE" && find . -maxdepth 2 -name "$name.piece.*" -printf '%f ' | tr ' ' '\n' | sort | sed 's/.*[.]//' | xargs)
    echo "error: $name is not whole: $BUNDLE has ${pieces:+its pieces $pieces}; copy every part of bundle.sh there" >&2
    exit 2
  }
done
"$PYTHON" -m pip --disable-pip-version-check install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
  --target "$SITE" "$WHEELS"/*.whl
nvidia=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/nvidia
cat >"$SITE/activate.sh" <<ACTIVATE
export PYTHONPATH="$SITE\${PYTHONPATH:+:\$PYTHONPATH}"
export LD_LIBRARY_PATH="$nvidia/cudnn/lib:$nvidia/nccl/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
ACTIVATE
# shellcheck disable=SC1091
. "$SITE/activate.sh"
"$PYTHON" -c 'import torch, megatron.core as core; print("torch", torch.__version__, "megatron-core", core.__version__)'
if [ $has_engine = true ]; then
  "$PYTHON" -c 'import transformer_engine.pytorch, transformer_engine as te; print("Transformer Engine", te.__version__)'
else
  echo "without Transformer Engine: its core wheel is not in $BUNDLE"
fi
