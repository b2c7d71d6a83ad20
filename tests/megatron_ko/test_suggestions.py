"""Suggestions for unknown names: spelling, abbreviations, names of other programs, other sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from megatron_ko.config.loading import load
from megatron_ko.config.schema import fields_of, literals_of, paths_of, sections_of
from megatron_ko.config.suggestions import SYNONYMS, nearest_name
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from tests.tiny_run import write_tiny_run

TRAINING = ["steps", "global_batch_size", "micro_batch_size", "sequence_length"]


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("stepz", TRAINING, "steps"),
        ("gbs", TRAINING, "global_batch_size"),
        ("seq_length", TRAINING, "sequence_length"),
        ("train_iters", TRAINING, "steps"),
        ("Micro-Batch-Size", TRAINING, "micro_batch_size"),
        ("lr", ["learning_rate", "beta1"], "learning_rate"),
        ("tp", ["tensor", "pipeline"], "tensor"),
        ("--wrokers", ["--workers", "--runner"], "--workers"),
        ("zebra", TRAINING, None),
        ("lr", TRAINING, None),
    ],
)
def test_the_nearest_name(name, known, meant):
    assert nearest_name(name, known) == meant


def words_of(root: Any) -> Iterator[str]:
    """Every word that a field of the tree allows, such as ``bf16``."""
    for info in fields_of(root).values():
        yield from literals_of(info.annotation)
        for section in sections_of(info.annotation):
            yield from words_of(section)


def test_every_synonym_leads_to_a_field_or_a_word_and_is_none_itself():
    known = {path.rpartition(".")[2] for path in paths_of(Config)} | set(words_of(Config))
    assert set(SYNONYMS.values()) <= known
    assert not set(SYNONYMS) & known


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("optimizer.lr=1e-3", "learning_rate"),
        ("training.lr=1e-3", "optimizer.learning_rate"),
        ("model.num_layers=2", "layers"),
        ("lr=1e-3", "optimizer.learning_rate"),
        ("parallel.tensor_model_parallel_size=2", "tensor"),
    ],
)
def test_an_unknown_key_names_the_field_that_was_meant(tmp_path, override, meant):
    with pytest.raises(ConfigError) as caught:
        load(Config, [write_tiny_run(tmp_path)], [override])
    problem = caught.value.problems[0]
    assert (problem.rule, problem.path) == ("unknown-key", override.partition("=")[0])
    assert f"'{meant}'" in problem.message


def test_a_key_of_the_whole_file_inside_of_a_section_names_the_keys_of_the_section(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(Config, [write_tiny_run(tmp_path)], ["training.optimizer=1"])
    assert "global_batch_size" in caught.value.problems[0].message
