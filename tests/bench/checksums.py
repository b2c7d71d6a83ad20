"""Cost of the checksums of a training checkpoint, as a share of saving and loading it.

    python -m tests.bench.checksums [--rounds N] [--folder FOLDER]

Saves and resumes a model of about 60 million parameters with its optimizer, 16 bytes for each, by the functions that training
uses, on one rank in one process. Prints one JSON line of medians: ``checksum_cost`` (the seconds inside the hash function
while a checkpoint is written, and those of comparing all files before it is loaded, divided by the other seconds of saving
and loading), and the parts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.checksums import HashingFile
from megatron_ko.preflight import preflight
from tests.tiny_run import write_tiny_run

SHAPE = ("layers=8", "hidden_size=768", "ffn_hidden_size=2304", "heads=12", "kv_groups=6")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(json.dumps(measure(options.rounds, Path(folder))))


def measure(rounds: int, folder: Path) -> dict[str, Any]:
    from megatron_ko.training import checkpoint, distributed, model, optimizer, step

    folder.mkdir(exist_ok=True)
    config = write_tiny_run(folder)
    checked = preflight([config], [f"model.{field}" for field in SHAPE], 1)
    settings, plan = checked.config, checked.plan
    world = distributed.start(settings.run, settings.parallel, 0, 1, f"file://{folder / 'rendezvous'}")
    gpt = model.build_gpt(
        settings.model, settings.parallel, settings.precision,
        vocab_size=plan.vocab_size, device=world.device, seed=1,
    )  # fmt: skip
    ddp_model = model.wrap(gpt)
    adam = optimizer.build_optimizer(ddp_model, settings.optimizer, settings.precision.dtype)
    step.connect(ddp_model, adam)
    checkpoint._prime(adam)
    target = Checkpoint(
        folder=folder / "run" / "checkpoints" / "step_00000000", step=0, samples=0, tokens=0, model=settings.model,
        vocab_size=plan.vocab_size, padded_vocab_size=plan.padded_vocab_size, tokenizer_fingerprint=None,
        dtype=settings.precision.dtype, optimizer=True, layout=plan.layout, config=None,
    )  # fmt: skip
    watch = _watch_hashing()
    parts = []
    for _ in range(rounds + 1):
        watch.spent_s = 0.0
        begin = time.perf_counter()
        checkpoint.save(target, ddp_model, adam, checked.manifest.tokenizer_folder)
        saved, hashed = time.perf_counter() - begin, watch.spent_s
        written = Checkpoint.read(target.folder)
        begin = time.perf_counter()
        assert checkpoint.find_damage(written) == []
        compared = time.perf_counter() - begin
        checkpoint.resume(written, ddp_model, adam, plan.layout)
        loaded = time.perf_counter() - begin - compared
        parts.append(
            {
                "checksum_cost": (hashed + compared) / (saved - hashed + loaded),
                "save_s": saved,
                "load_s": loaded,
                "hash_while_saving_s": hashed,
                "hash_before_loading_s": compared,
            }
        )
    size = sum(facts.size for facts in written.files.values())
    shutil.rmtree(target.folder)
    distributed.stop()
    medians = {name: round(statistics.median(part[name] for part in parts[1:]), 4) for name in parts[0]}
    return {"bench": "checksums", "gb": round(size / 1e9, 3), "rounds": rounds, **medians}


class _Watch:
    """A digest whose seconds are counted."""

    spent_s = 0.0

    def wrap(self, digest: Any) -> Any:
        watch = self

        class Timed:
            def update(self, data: Any) -> None:
                begin = time.perf_counter()
                digest.update(data)
                watch.spent_s += time.perf_counter() - begin

            def hexdigest(self) -> str:
                return digest.hexdigest()

        return Timed()


def _watch_hashing() -> _Watch:
    watch, plain = _Watch(), HashingFile.__init__

    def start(self: Any, file: Any) -> None:
        plain(self, file)
        self._digest = watch.wrap(self._digest)

    HashingFile.__init__ = start  # type: ignore[method-assign]
    return watch


if __name__ == "__main__":
    main()
