"""The links of the chain: what each student keeps of the model before it, and the commands that score and prune.

Owns the shapes of Kanana's students, those of the miniature, and the steps between two trainings. The teacher is always the
first model of the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from megatron_ko.config.model import ModelConfig
from megatron_ko.files import sha256_file
from megatron_ko.job.steps import Step


@dataclass(frozen=True)
class Cut:
    """What a student keeps: hidden channels, feed-forward channels of each layer, query heads of each layer. Layers, KV groups
    and head size stay. ``ties``: whether its embeddings become their mean."""

    hidden_size: int
    ffn_hidden_size: int
    heads: int
    ties: bool = False

    def options(self) -> tuple[str, ...]:
        """As ``mko checkpoint prune`` takes them."""
        sizes = (
            "--hidden-size",
            self.hidden_size,
            "--ffn-hidden-size",
            self.ffn_hidden_size,
            "--heads",
            self.heads,
        )
        return (*map(str, sizes), *(["--tie-embeddings"] if self.ties else []))

    def overrides(self) -> tuple[str, ...]:
        """The same shape for a training from scratch."""
        return (
            f"model.hidden_size={self.hidden_size}", f"model.ffn_hidden_size={self.ffn_hidden_size}",
            f"model.heads={self.heads}", f"model.tied_embeddings={str(self.ties).lower()}",
        )  # fmt: skip

    def of(self, model: ModelConfig) -> ModelConfig:
        """``model`` after the cut."""
        sizes = {
            "hidden_size": self.hidden_size,
            "ffn_hidden_size": self.ffn_hidden_size,
            "heads": self.heads,
        }
        return replace(model, **sizes, tied_embeddings=model.tied_embeddings or self.ties)


KANANA = {"4.5b": Cut(3072, 9216, 32), "2.1b": Cut(1792, 8064, 24, ties=True)}
"""Students of the 8B, in their order. Sizes are derived from the published counts (arXiv 2502.18934); that of 2.1B is unconfirmed."""
MINIATURE = {"half": Cut(192, 576, 8), "quarter": Cut(112, 504, 6, ties=True)}
"""The same, hidden size and feed-forward divided by 16, heads by 4."""


def score_step(
    student: str, model: Path, folder: Path, configuration: Sequence[str], samples: int, ranks: int
) -> Step:
    """Writes ``scores.safetensors`` into ``folder``: the importance of everything in ``model`` that ``student`` may lose."""
    out = scores_file(folder)
    settings = (
        *configuration,
        f"run.folder={folder}",
        f"model.from={model}",
        f"checkpoint.initial_weights={model}",
    )
    files = [Path(word) for word in configuration if word.endswith(".yaml")]
    return Step(
        folder.name, f"Score what {student} may keep",
        ("mko", "importance", *settings, "--samples", str(samples), "--out", str(out), "--ranks", str(ranks)),
        lambda: [*map(sha256_file, files), *identity_of(model)], out.is_file,
    )  # fmt: skip


def prune_step(student: str, model: Path, scores: Path, folder: Path, cut: Cut) -> Step:
    """Writes the checkpoint ``folder``: ``model`` without what the cut removes."""
    return Step(
        folder.name, f"Prune to {student}",
        ("mko", "checkpoint", "prune", str(model), str(folder), "--scores", str(scores), *cut.options(), "--overwrite"),
        lambda: [sha256_file(scores), *identity_of(model)], (folder / "verification.json").is_file,
    )  # fmt: skip


def training_step(
    folder: Path,
    title: str,
    words: Sequence[str],
    ranks: int,
    inputs: Callable[[], Any],
    is_there: Callable[[], bool],
) -> Step:
    """A training in ``folder``; one of other inputs starts anew."""
    return Step(
        folder.name, title, ("mko", "train", *words, f"run.folder={folder}", "--ranks", str(ranks)), inputs, is_there, folder
    )  # fmt: skip


def scores_file(folder: Path) -> Path:
    return folder / "scores.safetensors"


def identity_of(model: Path) -> list[str]:
    """Hashes that change with the newest checkpoint of a run or a checkpoint, whose marker names the checksums of its files, or with
    the index and configuration of a Hugging Face folder."""
    markers = sorted((model / "checkpoints").glob("*/checkpoint.json"))[-1:] or [model / "checkpoint.json"]
    others = [model / name for name in ("config.json", "model.safetensors.index.json")]
    return [sha256_file(path) for path in (*markers, *others) if path.is_file()]
