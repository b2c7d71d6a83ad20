"""The weights that a run starts from: its newest checkpoint, or initial weights, or random ones."""

from __future__ import annotations

from pathlib import Path

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config
from megatron_ko.formats import lora_record
from megatron_ko.formats.checkpoint_folder import Checkpoint, Origin, check_fits, require_finished
from megatron_ko.formats.hugging_face import HfModel, is_hf_model, read_hf_model
from megatron_ko.formats.run_folder import newest_checkpoint, start_of_run
from megatron_ko.planning.adapters import single_targets
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.planning.stages import stages_of


def find_weights(
    config: Config, vocab_size: int, tokenizer_fingerprint: str | None
) -> tuple[Checkpoint | None, Origin | None, Checkpoint | HfModel | None]:
    """The checkpoint that the run continues from, with the run's origin, and the weights that start it; a run that continues
    has such weights only with LoRA, as its base.

    Raises CheckpointError where one does not fit the model, the vocabulary or this megatron-core. Without a fingerprint
    the tokenizer is not compared.
    """
    start, origin = start_of_run(config)
    weights = config.checkpoint.initial_weights
    initial: Checkpoint | HfModel | None = None

    def read_initial() -> Checkpoint | HfModel:
        assert weights is not None
        require_finished(Path(weights).expanduser())
        return read_hf_model(weights, config.model) if is_hf_model(weights) else newest_checkpoint(weights)

    if start is not None:
        lora_record.check_adapters(start, config.lora, single_targets(config.lora))
        initial = lora_record.base_of_start(start, read_initial) if config.lora else None
    elif weights:
        initial = read_initial()
    if isinstance(initial, Checkpoint):
        lora_record.require_weights(initial)
    for checkpoint in (start, initial):
        if checkpoint:
            model = config.model if checkpoint is initial else _model_at(start, config)
            check_fits(checkpoint, model, vocab_size, tokenizer_fingerprint)
        if isinstance(checkpoint, Checkpoint):
            check_loadable(checkpoint)
    return start, origin, initial


def _model_at(start: Checkpoint | None, config: Config) -> ModelConfig:
    """The model in the stage of ``start``, whose RoPE base may be its own."""
    stages = stages_of(config)
    number = start.stage_number if start else 0
    return stages[min(number, len(stages) - 1)].config.model
