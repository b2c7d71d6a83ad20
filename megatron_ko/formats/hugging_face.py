"""A Hugging Face folder as the source of a run's weights, without torch: its shape, rows and tokenizer.

Owns the recognition of such a folder and the facts by which a change of its files is noticed. ``hf_config`` reads
``config.json``; ``checkpoint_tools`` reads tensors.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.config.model import ModelConfig
from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.hf_config import read_config
from megatron_ko.formats.tokenizer_folder import MARKER as TOKENIZER_MARKER
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder, read_tokenizer_folder

CONFIG = "config.json"
_VOCABULARIES = ("tokenizer.model", "tokenizer.json", "vocab.json")
_READ = (".json", ".safetensors", ".model", ".txt", ".jinja")


@dataclass(frozen=True)
class HfModel:
    """A model in a Hugging Face folder; ``vocab_size`` is the number of embedding rows."""

    folder: Path
    model: ModelConfig
    vocab_size: int
    tokenizer_fingerprint: str | None


def is_hf_model(path: Path | str) -> bool:
    """Whether ``path`` is a Hugging Face folder and not a checkpoint."""
    folder = Path(path).expanduser()
    return (folder / CONFIG).is_file() and not (folder / MARKER).is_file()


def read_hf_model(path: Path | str, run: ModelConfig) -> HfModel:
    """Describes the folder for the model ``run``, which owns what no weight depends on.

    Raises CheckpointError for a model that is not supported, DataError for a damaged tokenizer.
    """
    folder = Path(path).expanduser()
    config = read_config(folder, run.max_sequence_length)
    model = dataclasses.replace(config.model, vocab_multiple=run.vocab_multiple)
    return HfModel(folder, model, config.vocab_size, _fingerprint(folder))


def _fingerprint(folder: Path) -> str | None:
    """Fingerprint of the folder's tokenizer, as ``mko checkpoint from-hf`` records it; None without one."""
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        return None
    read = read_tokenizer_folder if (folder / TOKENIZER_MARKER).is_file() else fingerprint_hf_folder
    return read(folder).fingerprint


def files_of(folder: Path) -> dict[str, list[int]]:
    """Size in bytes and time of change in nanoseconds of each file that a conversion may read."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _READ and path.is_file())
    return {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}
