"""Acceptance on a GPU: measures and compares, and writes one JSON file.

    python -m tests.gpu.accept core --output FOLDER         our own modules; about ten minutes on one Hopper GPU
    python -m tests.gpu.accept te --output FOLDER           Transformer Engine and each FP8 recipe of the card
    python -m tests.gpu.accept features --output FOLDER     LoRA, frozen rows, packing, distillation

With ``--device cpu --tiny``, every line but the calls that only a GPU has runs on the CPU. The file is written after each
part; ``--parts`` runs some of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from megatron_ko.errors import EXIT_DONE, EXIT_USER_ERROR
from tests.gpu.core_parts import CORE
from tests.gpu.feature_parts import FEATURES
from tests.gpu.real_tokens import write_real_tokens
from tests.gpu.record import Part, Record
from tests.gpu.shapes import Setting, find_card
from tests.gpu.te_parts import te_parts

COMMANDS = ("core", "te", "features")
EXIT_FAILED = 1


def parts_of(command: str, setting: Setting) -> Mapping[str, Part]:
    """The parts of a command in their order."""
    return {"core": CORE, "features": FEATURES}.get(command) or te_parts(setting)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where every part passed, 1 where one did not, 2 where nothing could run."""
    options = _parse(arguments)
    card = find_card() if options.device == "cuda" else None
    if options.device == "cuda" and card is None:
        print(
            "nvidia-smi finds no GPU on this host; run it on one that has a GPU, or --device cpu --tiny",
            file=sys.stderr,
        )
        return EXIT_USER_ERROR
    if options.device == "cuda" and options.command == "te" and not find_spec("transformer_engine"):
        print(
            "Transformer Engine is not installed; pip install --no-build-isolation -e '.[gpu]'",
            file=sys.stderr,
        )
        return EXIT_USER_ERROR
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpu_accept_", dir=options.work) as work:
        manifest = options.manifest or write_real_tokens(Path(work) / "data")
        setting = Setting(options.device, options.tiny, Path(work), manifest.resolve(), card, options.layers)
        parts = parts_of(options.command, setting)
        if unknown := sorted(set(options.parts or ()) - set(parts)):
            print(f"unknown parts {', '.join(unknown)}; there are {', '.join(parts)}", file=sys.stderr)
            return EXIT_USER_ERROR
        record = Record(options.output / f"{options.command}.json", options.command, setting, options.commit)
        for name, part in parts.items():
            if options.parts is None or name in options.parts:
                record.run(name, part)
        return EXIT_DONE if record.end() else EXIT_FAILED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--output", type=Path, required=True, help="folder of COMMAND.json")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny models and few steps; for the CPU")
    parser.add_argument("--parts", nargs="+", metavar="NAME", help="only these parts")
    parser.add_argument("--layers", type=int, help="layers of the large model; by default those that fit")
    parser.add_argument(
        "--manifest", type=Path, help="other real tokens; by default the text of this repository"
    )
    parser.add_argument(
        "--work", type=Path, help="folder for run folders (tens of GB); by default the system's"
    )
    parser.add_argument("--commit", help="commit to record where there is no git, such as in a copied tree")
    options = parser.parse_args(arguments)
    if options.device == "cpu" and not options.tiny:
        parser.error("--device cpu needs --tiny: the large model is a GPU's")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
