"""Hostile numbers in every numeric field: each is accepted and planned, or a ConfigError that names field and value.

The fields are found by walking the schemas, so that a new one is covered.
"""

from __future__ import annotations

import ast

import pytest

from checkpoint_tools.options.commands import OPERATIONS
from megatron_ko.config.bounds import describe_numbers
from megatron_ko.config.loading import load, validate
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.schema import fields_of
from megatron_ko.config.training import Config, RunConfig
from megatron_ko.errors import ConfigError
from megatron_ko.formats.model_source import load_training
from megatron_ko.planning.config_rules import OWNED_FIELDS, keeps_architecture, layout_rules
from megatron_ko.planning.transformer_fields import transformer_config_fields, value_problem
from megatron_ko.preflight import check_run
from preprocessing.config import pipeline
from tests.hostile_numbers import NUMBERS, Field, cpu_limit, is_shown, numeric_fields, value_of
from tests.tiny_run import tiny_config, write_tiny_run

DATA = {
    "output": {"folder": "out"},
    "inputs": {"ko": {"type": "text", "lang": "ko", "paths": ["x"]}},
    "domains": {"ko": {"langs": ["ko"]}},
}


NUMBER_RULES = {"greater-than", "greater-than-equal", "less-than", "less-than-equal", "finite-number", "int-type",
                "float-type", "int-from-float", "extra-fields"}  # fmt: skip


def check(field: Field, number: str, use) -> bool:
    """Whether ``use(tree)`` accepts the number; otherwise its error must name the field and the value."""
    with cpu_limit(f"{field.path}={number[:20]}"):
        try:
            use(field.tree(number))
        except ConfigError as caught:
            error = caught
        else:
            return True
    assert all(problem.rule and problem.path for problem in error.problems), error
    own = [problem for problem in error.problems if problem.rule in NUMBER_RULES]
    assert all(field.name in problem.path.split(".") for problem in own), (field.path, own)
    assert not own or any(is_shown(number, problem.message) for problem in own), (field.path, number, own)
    return False


def accepted_of(fields: list[Field], use) -> set[tuple[str, str]]:
    """Path and number of all that ``use`` accepts."""
    return {(field.path, number) for field in fields for number in NUMBERS if check(field, number, use)}


def test_every_number_of_a_training_configuration_is_planned_or_refused(tmp_path):
    write_tiny_run(tmp_path)
    valid = tiny_config(tmp_path)
    factors = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    valid["model"]["rope"] = {"scaling": {"type": "llama3", "original_max_sequence_length": 8192, **factors}}
    rules = layout_rules(1)
    fields = numeric_fields(Config, valid)
    accepted = accepted_of(fields, lambda tree: check_run(validate(Config, tree, rules), 1).plan.text())
    paths = {field.path for field in fields}
    assert {"run.timeout_s", "data.mixture", "model.rope.scaling.factor", "schedule.decay_steps"} <= paths
    for path, number in (("run.timeout_s", "1e-9"), ("run.timeout_s", "1e300"), ("model.layers", str(10**9))):
        assert (path, number) not in accepted
    assert ("run.timeout_s", "2.0") in accepted and ("evaluation.every_steps", str(10**9)) in accepted
    for number in (".nan", ".inf", "-.inf", "true", "'1'", str(10**40), "1e300"):
        assert not {path for path, given in accepted if given == number}, number


def test_every_number_of_a_data_configuration_is_accepted_or_refused():
    fields = numeric_fields(pipeline.Config, DATA)
    accepted = accepted_of(fields, lambda tree: validate(pipeline.Config, tree, pipeline.RULES))
    paths = {field.path for field in fields}
    assert {
        "inputs.split_bytes",
        "balance.rehydrate",
        "balance.stages.tokens",
        "tokenizer.vocab_size",
    } <= paths
    assert {"score.quality.train.dim", "score.perplexity.keep_quantiles", "filter.ko.min_words"} <= paths
    for number in (".nan", ".inf", "-.inf", "true", "-1", str(10**40), str(10**399)):
        assert not {path for path, given in accepted if given == number}, number


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_number_of_an_operation_on_checkpoints_is_accepted_or_refused(name):
    options = OPERATIONS[name].options
    valid = {key: "x" for key, info in fields_of(options).items() if info.is_required()}
    accepted = accepted_of(numeric_fields(options, valid), lambda tree: validate(options, tree))
    assert not {path for path, given in accepted if given in (".nan", ".inf", "-1", str(10**40))}


# --- model.extra -----------------------------------------------------------------------------------------


def test_every_field_of_extra_refuses_what_its_type_excludes():
    layers = 4
    names = [n for n in transformer_config_fields() if keeps_architecture(n) and n not in OWNED_FIELDS]
    assert {"hidden_dropout", "fp8_margin"} <= set(names)
    for name in names:
        kind = ast.unparse(transformer_config_fields()[name])
        for number in NUMBERS:
            value = value_of(number)
            problem = value_problem(name, value, layers)
            fits = {
                "bool": value is True,
                "int": type(value) is int and 0 <= value < 2**31,
                "float": type(value) in (int, float) and 0 <= value <= 1,
            }.get(kind.removeprefix("Optional[").removesuffix("]"))
            if fits is False:
                assert problem is not None, (name, number)
            if problem is not None and not isinstance(value, str):
                assert is_shown(number, problem)


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("hidden_dropout", 0.1, True),
        ("hidden_dropout", 1, True),
        ("hidden_dropout", 2.0, False),
        ("hidden_dropout", -0.1, False),
        ("num_layers_at_start_in_bf16", 4, True),
        ("num_layers_at_start_in_bf16", 5, False),
        ("num_layers_at_start_in_bf16", -1, False),
        ("fp8_amax_history_len", 0, False),
        ("recompute_granularity", "full", True),
        ("recompute_granularity", "ful", False),
        ("recompute_modules", ["core_attn"], True),
        ("recompute_modules", "core_attn", False),
        ("recompute_modules", [1], False),
        ("deterministic_mode", True, True),
        ("deterministic_mode", 1, False),
        ("attention_backend", "flash", False),  # an enumeration, which text never equals
    ],
)
def test_values_of_extra_have_the_types_and_ranges_of_megatron_core(name, value, fits):
    assert (value_problem(name, value, layers=4) is None) == fits


def test_a_wrong_value_of_extra_is_a_problem_of_its_field(tmp_path):
    file = write_tiny_run(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_training([file], ["model.extra.hidden_dropout=2.0"], layout_rules(1))
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == ("model.extra.hidden_dropout", "extra-fields")


# --- ranges in messages ----------------------------------------------------------------------------------


def test_a_field_may_lower_the_bound_of_its_type():
    """pydantic enforces only the last of several upper bounds; ``AtMost`` keeps the field's."""
    for root, path, number in (
        (pipeline.Config, "tokenizer.reserved_tokens", 4097),
        (pipeline.Config, "tokenizer.character_coverage", 1.5),
        (Config, "model.layers", 10_001),
    ):
        with pytest.raises(ConfigError) as caught:
            load(root, [], [f"{path}={number}"])
        assert [p.rule for p in caught.value.problems if p.path == path] == ["less-than-equal"]


def test_the_range_of_a_field_is_that_of_its_type():
    from preprocessing.config.mixture import BalanceConfig

    assert describe_numbers(fields_of(RunConfig)["timeout_s"]) == "a number from 1 to 2592000"
    assert describe_numbers(fields_of(ModelConfig)["layers"]) == "an integer from 1 to 10000"
    assert describe_numbers(fields_of(ModelConfig)["head_size"]) == f"an integer from 1 to {2**24}"
    assert describe_numbers(fields_of(BalanceConfig)["rehydrate"]) == "a number from 1 to 1000"
    assert (
        describe_numbers(fields_of(BalanceConfig)["rehydrate"], in_key=True)
        == f"an integer from 1 to {2**63 - 1}"
    )
    assert describe_numbers(fields_of(ModelConfig)["tied_embeddings"]) is None
