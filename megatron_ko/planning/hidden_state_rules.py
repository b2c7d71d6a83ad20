"""Rules over ``distillation.hidden_states`` of a run and of its stages, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.distillation import DistillationConfig
from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import MuonConfig, Optimizer
from megatron_ko.config.recompute import FullRecompute
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import LoraConfig, ParallelConfig, StageConfig
from megatron_ko.planning.distillation import distillation_of
from megatron_ko.planning.distillation_rules import for_each_section
from megatron_ko.planning.hidden_states import pairs_of

Problems = Iterator[tuple[str, str]]
Found = tuple[str, str, str]


def _layers_exist(path: str, section: DistillationConfig, model: ModelConfig) -> Problems:
    pairs = pairs_of(section)
    for number, pair in enumerate(pairs):
        where = f"{path}.hidden_states.layers.{number}"
        if pair.student >= model.layers:
            yield (
                f"{where}.student",
                f"{pair.student}: the student has the layers 0 to {model.layers - 1}; choose one of them",
            )
        if pair in pairs[:number]:
            yield where, f"duplicate pair {pair.student}, {pair.teacher}: listed twice; remove one"


def _no_hidden_states_in_a_cache(path: str, section: DistillationConfig) -> Problems:
    if section.cache is not None and pairs_of(section):
        yield (
            f"{path}.hidden_states",
            f"needs the teacher beside the student, but {path}.cache is {section.cache}, which has log-probabilities alone; remove "
            "cache, or set hidden_states.layers: []",
        )


def _hidden_states_are_kept(path: str, section: DistillationConfig, parallel: ParallelConfig) -> Problems:
    if pairs_of(section) and isinstance(parallel.recompute, FullRecompute):
        yield (
            "parallel.recompute.type",
            f"full computes whole layers again and keeps no output of single ones, which {path}.hidden_states compares; use selective "
            "or none",
        )


def _hidden_states_are_seen(path: str, section: DistillationConfig, speed: SpeedConfig) -> Problems:
    if not pairs_of(section):
        return
    for name, value, off in (
        ("compile", str(speed.compile).lower(), not speed.compile),
        ("cuda_graphs", speed.cuda_graphs, speed.cuda_graphs == "none"),
    ):
        if not off:
            yield (
                f"speed.{name}",
                f"{value}: hides the outputs of layers, which {path}.hidden_states compares; remove it",
            )


def _no_hidden_states_beside_adapters(
    distillation: DistillationConfig | None, stages: list[StageConfig], lora: LoraConfig | None
) -> Problems:
    message = "projects the student's states by matrices that a checkpoint of adapters does not contain; remove it, "
    if not stages and lora is not None and pairs_of(distillation):
        yield "distillation.hidden_states", f"{message}or the section lora"
    for number, stage in enumerate(stages):
        if stage.lora is not None and pairs_of(distillation_of(distillation, stage.distillation)):
            yield f"stages.{number}.lora", f"distillation.hidden_states {message}or lora of this stage"


def _no_hidden_states_with_muon(path: str, section: DistillationConfig, optimizer: Optimizer) -> Problems:
    if pairs_of(section) and isinstance(optimizer, MuonConfig):
        yield (
            f"{path}.hidden_states",
            "trains matrices beside the model, which Muon does not know; remove it, or set optimizer.type: adamw",
        )


HIDDEN_STATE_RULES = (
    for_each_section(_layers_exist, "model"),
    for_each_section(_no_hidden_states_in_a_cache),
    for_each_section(_hidden_states_are_kept, "parallel"),
    for_each_section(_hidden_states_are_seen, "speed"),
    Rule(("distillation", "stages", "lora"), _no_hidden_states_beside_adapters),
    for_each_section(_no_hidden_states_with_muon, "optimizer"),
)


def layer_problems(teacher: ModelConfig, distillation: DistillationConfig) -> Iterator[Found]:
    """``(path, message, rule)`` for each layer of ``hidden_states`` that the teacher does not have."""
    for number, pair in enumerate(pairs_of(distillation)):
        if pair.teacher >= teacher.layers:
            yield (
                f"hidden_states.layers.{number}.teacher",
                f"{pair.teacher}: the teacher has the layers 0 to {teacher.layers - 1}; choose one of them",
                "teacher-layer",
            )
