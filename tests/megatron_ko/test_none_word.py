"""The word ``none`` is null wherever ``--help`` documents null, and text everywhere else."""

from __future__ import annotations

import pytest

from megatron_ko.config.loading import load, to_yaml
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from tests.tiny_run import write_tiny_run


@pytest.fixture
def config_file(tmp_path):
    return write_tiny_run(tmp_path)


@pytest.mark.parametrize(
    "override",
    [
        "model.vocab_size=none",
        "model.head_size=none",
        "reporting.wandb_project=none",
        "evaluation.max_sequences=none",
        "checkpoint.initial_weights=none",
        "data.mixture=none",
    ],
)
def test_none_is_null_where_null_is_allowed(config_file, override):
    config = load(Config, [config_file], [override]).config
    section, field = override.partition("=")[0].split(".")
    assert getattr(getattr(config, section), field) is None


def test_none_in_a_file_is_null_and_quoted_none_is_text(config_file, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("reporting: {wandb_project: none}\n")
    assert load(Config, [config_file, str(more)], []).config.reporting.wandb_project is None
    more.write_text('reporting: {wandb_project: "none"}\n')
    assert load(Config, [config_file, str(more)], []).config.reporting.wandb_project == "none"


def test_none_stays_a_word_where_it_is_one(config_file):
    config = load(Config, [config_file], ["precision.fp8=none", "model.rope.scaling={type: none}"]).config
    assert config.precision.fp8.type == "none" and config.model.rope.scaling.type == "none"
    assert type(config.precision.fp8.type) is str


def test_none_is_refused_where_a_path_is_required(config_file):
    with pytest.raises(ConfigError) as caught:
        load(Config, [config_file], ["run.folder=none"])
    assert [(p.path, p.rule) for p in caught.value.problems] == [("run.folder", "invalid-value")]
    assert load(Config, [config_file], ["run.folder=./none"]).config.run.folder == "./none"


@pytest.mark.parametrize("value", ["none", '"none"'])
def test_none_in_fields_of_any_type_is_text(config_file, tmp_path, value):
    config = load(Config, [config_file], [f"model.extra.cuda_graph_impl={value}"]).config
    assert config.model.extra == {"cuda_graph_impl": "none"}
    printed = tmp_path / "printed.yaml"
    printed.write_text(to_yaml(config))
    assert load(Config, [str(printed)], []).config == config


@pytest.mark.parametrize("value", ["none", '"none"', "my project"])
def test_the_printed_configuration_is_the_same_when_it_is_read_again(config_file, tmp_path, value):
    config = load(Config, [config_file], [f"reporting.wandb_project={value}"]).config
    printed = tmp_path / "printed.yaml"
    printed.write_text(to_yaml(config))
    assert load(Config, [str(printed)], []).config == config
