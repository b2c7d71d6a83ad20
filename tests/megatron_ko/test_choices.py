"""Mistakes where a field takes words or a list: one problem, with the syntax, the choices and the word that was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.config.loading import load, to_yaml
from megatron_ko.config.schema import fields_of, is_list, literals_of, sections_of, words_of_entries
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from preprocessing.config import pipeline
from preprocessing.config.languages import KINDS

DATA = """
output: {folder: out}
inputs:
  posts: {type: jsonl, paths: [a.jsonl]}
domains:
  ko: {share: 1.0}
score:
  quality:
    ko: {model: q, langs: [ko]}
"""
TRAIN = """
run: {folder: r}
model: {layers: 1, hidden_size: 8, ffn_hidden_size: 8, heads: 1, kv_groups: 1, max_sequence_length: 8}
training: {global_batch_size: 1, micro_batch_size: 1, sequence_length: 8, steps: 1}
optimizer: {learning_rate: 1.0e-3}
schedule: {type: cosine, warmup_steps: 0}
data: {manifest: m.json}
"""
ROOTS = {"data": (pipeline.Config, DATA), "train": (Config, TRAIN)}


def problems(tmp_path, override, program="data"):
    root, text = ROOTS[program]
    (tmp_path / "a.yaml").write_text(text)
    try:
        load(root, [str(tmp_path / "a.yaml")], [override])
    except ConfigError as error:
        return error.problems
    return []


KINDS_IN_ORDER = ", ".join(KINDS)


@pytest.mark.parametrize(
    ("override", "path", "rule", "values"),
    [
        ("clean.mask=rnr", "clean.mask", "list-type", ["[rrn]", KINDS_IN_ORDER]),
        ("clean.mask=phone", "clean.mask", "list-type", ["[phone]", KINDS_IN_ORDER]),
        ("clean.mask=rrn,fone", "clean.mask", "list-type", ["[rrn, phone]"]),
        ("clean.mask=5", "clean.mask", "list-type", ["[rrn, passport]", KINDS_IN_ORDER]),
        ("clean.mask=", "clean.mask", "list-type", ["[rrn, passport]"]),
        ("clean.mask=off", "clean.mask", "list-type", ["[]"]),
        ("clean.mask={a: 1}", "clean.mask", "list-type", ["[rrn, passport]"]),
        ("clean.mask=[phone, rnr]", "clean.mask.1", "literal-error", ["'rnr'", "mean rrn", KINDS_IN_ORDER]),
        ("clean.mask=[[x]]", "clean.mask.0", "literal-error", ["['x']"]),
        ("domains.ko.langs=ko", "domains.ko.langs", "list-type", ["[ko]"]),
        ("domains.ko.langs=[en, kor]", "domains.ko.langs.1", "literal-error", ["mean ko"]),
        ("domains.ko.sources=posts", "domains.ko.sources", "list-type", ["[posts]"]),
        ("inputs.posts.paths=a.jsonl", "inputs.posts.paths", "list-type", ["[a.jsonl]"]),
        ("filter.ko.languages=ko", "filter.ko.languages", "list-type", ["off", "[ko]"]),
        ("filter.ko.languages=of", "filter.ko.languages", "list-type", ["mean off"]),
        ("filter.ko.languages=[kor]", "filter.ko.languages.0", "literal-error", ["mean ko"]),
        ("filter.code.licenses=[permisive]", "filter.code.licenses.0", "literal-error", ["mean permissive"]),
        ("filter.code.licenses=[none, 3]", "filter.code.licenses.1", "literal-error", ["3"]),
        ("balance.stages=5", "balance.stages", "list-type", ["5"]),
        ("balance.stages=[{name: a, tokens: 5, method: sice}]", "balance.stages.0.method", "literal-error",
         ["mean size"]),
        ("balance.stages=[{name: a, tokens: 5, tmperature: 1}]", "balance.stages.0.tmperature", "unknown-key",
         ["'temperature'"]),
        ("encode.engine=bpee", "encode.engine", "literal-error", ["mean bpe", "gigatoken"]),
        ("filter.ko.preset=gofer", "filter.ko.preset", "literal-error", ["mean gopher"]),
        ("inputs.posts.type=txt", "inputs.posts.type", "union-tag-invalid", ["mean 'text'"]),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_one_problem_with_its_choices(tmp_path, override, path, rule, values):
    [problem] = problems(tmp_path, override)
    assert (problem.where, problem.path, problem.rule) == ("command line", path, rule)
    for value in values:
        assert value in problem.message


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("run.device=gpu", "mean cuda"),
        ("precision.dtype=bfloat16", "mean bf16"),
        ("schedule.type=wds", "'wsd'"),
    ],
)
def test_training_names_the_word_that_was_meant(tmp_path, override, meant):
    [problem] = problems(tmp_path, override, "train")
    assert meant in problem.message


def plain_fields(kind, above=""):
    """Path and annotation of every field that is set in ``DATA`` or can be set beside it without a name."""
    for name, info in fields_of(kind).items():
        sections = sections_of(info.annotation)
        if not sections:
            yield f"{above}{name}", info.annotation
        elif sections == [info.annotation]:
            yield from plain_fields(sections[0], f"{above}{name}.")


CHOICES = [
    (program, path, annotation)
    for program, (root, _) in ROOTS.items()
    for path, annotation in plain_fields(root)
    if words_of_entries(annotation) or literals_of(annotation) or is_list(annotation)
]


@given(choice=st.sampled_from(CHOICES), text=st.text(st.sampled_from("abyz "), min_size=1, max_size=6))
def test_every_field_of_words_or_lists_refuses_other_words_once_and_with_all_choices(
    tmp_path_factory, choice, text
):
    program, path, annotation = choice
    words = [*words_of_entries(annotation), *literals_of(annotation)]
    if text in words or "off" in words and not is_list(annotation):  # thresholds have sentences of their own
        return
    [problem] = problems(tmp_path_factory.mktemp("words"), f'{path}="{text}"', program)
    assert problem.path == path and problem.rule in ("list-type", "literal-error")
    assert all(word in problem.message for word in words)


def test_stages_survive_being_printed_and_loaded(tmp_path):
    (tmp_path / "a.yaml").write_text(DATA)
    stages = "balance.stages=[{name: a, tokens: 5, shares: {ko: 1.0}}, {name: b, tokens: 6}]"
    config = load(pipeline.Config, [str(tmp_path / "a.yaml")], [stages]).config
    (tmp_path / "b.yaml").write_text(to_yaml(config))
    assert load(pipeline.Config, [str(tmp_path / "b.yaml")], []).config == config
    assert [stage.name for stage in config.balance.stages] == ["a", "b"]
