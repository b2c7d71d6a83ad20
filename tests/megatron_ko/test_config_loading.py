"""The loader: what it accepts, what it refuses, and where it locates a mistake."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from megatron_ko.config.loading import Rule, load, to_yaml
from megatron_ko.config.optimizer import CosineSchedule, WsdSchedule
from megatron_ko.config.training import Config
from megatron_ko.config.yaml_tree import MAX_DEPTH, MAX_FILE_BYTES
from megatron_ko.errors import ConfigError, Problem

VALID = """\
run: {folder: runs/x, device: cpu}
model:
  layers: 4
  hidden_size: 64
  ffn_hidden_size: 128
  heads: 4
  kv_groups: 2
  max_sequence_length: 128
training: {steps: 10, global_batch_size: 8, micro_batch_size: 2, sequence_length: 64}
optimizer: {learning_rate: 3e-3}
schedule:
  type: cosine
  warmup_steps: 2
data: {manifest: data/manifest.json}
"""


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    """Files have names relative to the working directory, so that ``where`` is ``1.yaml:3``."""
    monkeypatch.chdir(tmp_path)


def files_of(*texts: str | bytes) -> list[str]:
    for number, text in enumerate(texts):
        Path(f"{number}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return [f"{number}.yaml" for number in range(len(texts))]


def loaded(*texts: str | bytes, overrides=(), rules=()):
    return load(Config, files_of(*texts), overrides, rules).config


def refusal(*texts: str | bytes, overrides=(), rules=()) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(Config, files_of(*texts), overrides, rules)
    return caught.value.problems


def problems(*texts: str | bytes, overrides=(), rules=()) -> list[tuple[str, str, str]]:
    """Where, path and rule of every problem."""
    return [
        (problem.where, problem.path, problem.rule)
        for problem in refusal(*texts, overrides=overrides, rules=rules)
    ]


def problem(*texts: str | bytes, overrides=(), rules=()) -> tuple[str, str, str]:
    (only,) = problems(*texts, overrides=overrides, rules=rules)
    return only


# --- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, value",
    [
        ("3e-4", 0.0003),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("+3", 3),
        ("010", 10),  # YAML 1.1 read octal
        ("0o17", 15),
        ("0x1F", 31),
        ("04:00:00", "04:00:00"),  # YAML 1.1 read 14400
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("=", "="),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'3'", "3"),
        ("[1, 2.0, x]", [1, 2.0, "x"]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    for read in (
        loaded(VALID, f"model:\n  extra:\n    x: {text}\n").model.extra["x"],
        loaded(VALID, overrides=[f"model.extra.x={text}"]).model.extra["x"],
    ):
        assert read == value
        assert type(read) is type(value)


def test_nan_is_read_but_refused_as_a_number():
    assert math.isnan(loaded(VALID, "model: {extra: {x: .nan}}").model.extra["x"])
    assert problem(VALID, "optimizer: {learning_rate: .nan}")[1:] == (
        "optimizer.learning_rate",
        "finite-number",
    )


def test_values_are_never_converted():
    for text in ('"10"', "10.0", "true", "[10]"):
        assert problem(VALID, f"training: {{steps: {text}}}") == ("1.yaml:1", "training.steps", "int-type")
    assert problem(VALID, "model: {tied_embeddings: yes}")[2] == "bool-type"


def test_an_integer_is_accepted_as_a_number():
    learning_rate = loaded(VALID, "optimizer: {learning_rate: 1}").optimizer.learning_rate
    assert learning_rate == 1.0 and isinstance(learning_rate, float)


# --- composition -----------------------------------------------------------------------------------------


def test_later_files_override_key_by_key_and_overrides_override_files():
    config = loaded(
        VALID,
        "training: {steps: 20, micro_batch_size: 4}",
        "training:\n  steps: 30",
        overrides=["training.micro_batch_size=8", "run.folder=runs/실험"],
    )
    assert (config.training.steps, config.training.micro_batch_size, config.training.sequence_length) == (
        30,
        8,
        64,
    )
    assert config.run.folder == "runs/실험"


def test_the_last_override_wins_and_may_replace_a_whole_section_or_list():
    config = loaded(
        VALID,
        overrides=[
            "training.steps=1",
            "training.steps=2",
            "schedule={type: multistep, milestones: [0.5], ratios: [0.1]}",
        ],
    )
    assert config.training.steps == 2
    assert (config.schedule.milestones, config.schedule.warmup_steps) == ([0.5], 0)


def test_lists_are_replaced_not_joined():
    first = "schedule: {type: multistep, milestones: [0.5, 0.7], ratios: [0.3, 0.1]}"
    config = loaded(VALID, first, "schedule: {milestones: [0.6, 0.9]}")
    assert (config.schedule.milestones, config.schedule.ratios) == ([0.6, 0.9], [0.3, 0.1])


def test_another_variant_in_a_later_file_starts_afresh():
    """final_ratio and warmup_steps of the cosine do not apply: WSD has its defaults."""
    config = loaded(VALID, "schedule: {final_ratio: 0.5}", "schedule: {type: wsd, decay_steps: 3}")
    assert config.schedule == WsdSchedule(type="wsd", decay_steps=3)


def test_the_same_variant_in_a_later_file_is_merged():
    config = loaded(VALID, "schedule: {type: cosine, final_ratio: 0.5}")
    assert config.schedule == CosineSchedule(type="cosine", warmup_steps=2, final_ratio=0.5)


@pytest.mark.parametrize("order", [["type=wsd", "decay_steps=3"], ["decay_steps=3", "type=wsd"]])
def test_another_variant_by_override_starts_afresh_in_any_order(order):
    config = loaded(VALID, "schedule: {final_ratio: 0.5}", overrides=[f"schedule.{item}" for item in order])
    assert config.schedule == WsdSchedule(type="wsd", decay_steps=3)


def test_a_replaced_section_is_not_blamed():
    """decay_steps was on line 1 of 1.yaml, but 2.yaml started afresh: the mistake is in 3.yaml."""
    wsd, cosine = "schedule: {type: wsd, decay_steps: 3}", "schedule: {type: cosine}"
    assert problem(VALID, wsd, cosine, "\nschedule: {type: wsd}") == (
        "3.yaml:2",
        "schedule.decay_steps",
        "missing",
    )


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_changes_nothing(text):
    assert loaded(VALID, text) == loaded(VALID)


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    assert loaded(b"\xef\xbb\xbf" + VALID.replace("\n", "\r\n").encode()) == loaded(VALID)


# --- mistakes in values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, where, path, rule, value",
    [
        ("model:\n  layer: 4", "1.yaml:2", "model.layer", "unknown-key", "'layers'"),
        ("modle: {}", "1.yaml:1", "modle", "unknown-key", "'model'"),
        ("precision: {zzz: 1}", "1.yaml:1", "precision.zzz", "unknown-key", "dtype, fp8"),
        ("schedule: {warmup_step: 1}", "1.yaml:1", "schedule.warmup_step", "unknown-key", "'warmup_steps'"),
        ("schedule: {type: cosine, cosine: {warmup_steps: 2}}", "1.yaml:1", "schedule.cosine", "unknown-key",
         "type, warmup_steps, final_ratio"),
        ("schedule: {type: cosine, decay: linear}", "1.yaml:1", "schedule.decay", "unknown-key", "only wsd"),
        ("parallel:\n\n  tensor: 0", "1.yaml:3", "parallel.tensor", "greater-than", "0"),
        ("parallel: {tensor: -1}", "1.yaml:1", "parallel.tensor", "greater-than", "-1"),
        ("optimizer: {beta1: 1.0}", "1.yaml:1", "optimizer.beta1", "less-than", "1.0"),
        ("precision: {dtype: fp16}", "1.yaml:1", "precision.dtype", "literal-error", "'fp16'"),
        ("run: {seed: 4294967296}", "1.yaml:1", "run.seed", "less-than", "4294967296"),
        ("run: {folder: ''}", "1.yaml:1", "run.folder", "string-too-short", "''"),
        ("run: {folder: 5}", "1.yaml:1", "run.folder", "string-type", "5"),
        ("data: {mixture: {ko: 1, en: 0}}", "1.yaml:1", "data.mixture.en", "greater-than", "0"),
        ("schedule:\n  type: wds", "1.yaml:2", "schedule.type", "union-tag-invalid", "'constant', 'linear', 'cosine', 'wsd'"),
        ("model:", "1.yaml:1", "model", "dataclass-type", ""),
        ("schedule:", "1.yaml:1", "schedule", "model-attributes-type", ""),
        ("parallel: 4", "1.yaml:1", "parallel", "dataclass-type", "4"),
        ("schedule: [wsd]", "1.yaml:1", "schedule", "model-attributes-type", "['wsd']"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_line_path_rule_and_value(text, where, path, rule, value):
    (problem,) = refusal(VALID, text)
    assert (problem.where, problem.path, problem.rule) == (where, path, rule)
    assert value in problem.message


def test_missing_keys_are_reported_at_the_section_and_missing_sections_at_the_file():
    lines = [
        line for line in VALID.splitlines(keepends=True) if "heads" not in line and "optimizer" not in line
    ]
    assert problems("".join(lines)) == [
        ("0.yaml", "optimizer", "missing"),
        ("0.yaml:2", "model.heads", "missing"),
    ]


def test_a_variant_without_its_type_is_reported():
    text = VALID.replace("  type: cosine\n", "")
    assert problem(text) == ("0.yaml:11", "schedule.type", "union-tag-not-found")


def test_nested_variants_are_explained_at_their_own_path():
    text = (
        "model:\n  rope:\n    scaling:\n      type: llama3\n      factr: 8.0\n      low_freq_factor: -1.0\n"
    )
    result = problems(VALID, text)
    assert ("1.yaml:5", "model.rope.scaling.factr", "unknown-key") in result
    assert ("1.yaml:6", "model.rope.scaling.low_freq_factor", "greater-than") in result
    assert ("1.yaml:3", "model.rope.scaling.factor", "missing") in result
    assert len(result) == 5  # high_freq_factor and original_max_sequence_length are missing too


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_integers_of_any_length_are_refused_without_a_crash(digits):
    (only,) = refusal(VALID, f"training: {{steps: {'1' * digits}}}")
    assert (only.where, only.path) == ("1.yaml:1", "training.steps")
    assert len(only.message) < 150  # long values are cut
    assert problem(VALID, overrides=[f"training.steps={'1' * digits}"])[:2] == (
        "command line",
        "training.steps",
    )


@pytest.mark.parametrize("path", ['"a\\0b"', '"~no-such-user/runs"'])
def test_impossible_paths_are_refused(path):
    assert problem(VALID, f"run: {{folder: {path}}}")[:2] == ("1.yaml:1", "run.folder")


# --- mistakes in form ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, where, rule",
    [
        ("run:\n\tseed: 3\n", "1.yaml:2", "invalid-yaml"),
        ("run:\n  seed: 3\n   device: cpu\n", "1.yaml:3", "invalid-yaml"),
        ("\nrun: {seed: 3\n", "1.yaml:3", "invalid-yaml"),
        ("a: 1\n---\nb: 2\n", "1.yaml:2", "invalid-yaml"),
        ("model: &m {layers: 4}", "1.yaml:1", "anchor"),
        ("run: {}\nmodel: *m", "1.yaml:2", "anchor"),
        ("run: {}\nmodel: !!python/object/apply:os.system ['true']", "1.yaml:2", "tag"),
        ("training: {steps: !!int '3'}", "1.yaml:1", "tag"),
        ("training: {steps: ! 3}", "1.yaml:1", "tag"),
        ("- a\n- b\n", "1.yaml:1", "not-a-mapping"),
        ("just text", "1.yaml:1", "not-a-mapping"),
        ("run: {}\n? [a, b]\n: 1\n", "1.yaml:2", "invalid-key"),
        ("run: {folder: caf\xe9}".encode("latin-1"), "1.yaml", "invalid-yaml"),
        (b"run: \x01", "1.yaml", "invalid-yaml"),
        ("#" * (MAX_FILE_BYTES + 1), "1.yaml", "invalid-yaml"),
    ],
)
def test_unreadable_files_are_reported_with_their_line(text, where, rule):
    assert problem(VALID, text) == (where, "", rule)


def test_merge_keys_are_ordinary_unknown_keys():
    assert problem(VALID, "parallel: {<<: {tensor: 2}}")[1] == "parallel.<<"


def test_billion_laughs_stops_at_the_first_anchor():
    laughs = "a: &a [ha, ha]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert problem(VALID, laughs) == ("1.yaml:1", "", "anchor")


@pytest.mark.parametrize("opening, closing", [("[", "]"), ("{a: ", "}")])
def test_nesting_is_bounded(opening, closing):
    """x is inside three mappings (the file, model, extra), so MAX_DEPTH - 4 levels fit around the 1."""
    deepest = MAX_DEPTH - 4
    assert loaded(VALID, f"model: {{extra: {{x: {opening * deepest}1{closing * deepest}}}}}")
    for depth in (deepest + 1, 5000):
        text = f"model: {{extra: {{x: {opening * depth}1{closing * depth}}}}}"
        assert problem(VALID, text)[2] == "too-deep"


def test_all_missing_files_are_named():
    with pytest.raises(ConfigError) as caught:
        load(Config, ["no.yaml", ".", "~no-such-user/x.yaml", "a\0b", "seed=3", "training.steps"], [])
    assert [(problem.where, problem.rule) for problem in caught.value.problems] == [
        ("no.yaml", "unreadable-file"),
        (".", "is-folder"),
        ("~no-such-user/x.yaml", "invalid-yaml"),
        ("a\0b", "invalid-yaml"),
        ("seed=3", "unreadable-file"),
        ("command line", "not-an-override"),
    ]


def test_a_missing_file_names_the_one_beside_it(tmp_path):
    (tmp_path / "train.yaml").write_text("run: {}")
    with pytest.raises(ConfigError) as caught:
        load(Config, [str(tmp_path / "train.yml")], [])
    (problem,) = caught.value.problems
    assert problem.rule == "unreadable-file" and str(tmp_path / "train.yaml") in problem.message


def test_duplicate_keys_are_refused_at_every_level():
    assert problems(VALID, "training:\n  steps: 1\n  steps: 2\nrun: {}\ntraining: {}\n") == [
        ("1.yaml:3", "training.steps", "duplicate-key"),
        ("1.yaml:5", "training", "duplicate-key"),
    ]
    assert problem(VALID, overrides=["model.extra={a: 1, a: 2}"])[:2] == ("command line", "model.extra.a")


@pytest.mark.parametrize(
    "override, path, rule",
    [
        ("nothing", "", "not-an-override"),
        ("model..layers=3", "", "not-an-override"),
        ("model.layers=[", "model.layers", "invalid-yaml"),
        ("model.layers=&a 3", "model.layers", "anchor"),
        ("model.layers=", "model.layers", "int-type"),
        ("model.layer=3", "model.layer", "unknown-key"),
        ("nosuch.layer=3", "nosuch", "unknown-key"),
        ("model.layers.x=3", "model.layers", "int-type"),
    ],
)
def test_wrong_overrides_are_located_on_the_command_line(override, path, rule):
    assert problem(VALID, overrides=[override]) == ("command line", path, rule)


# --- all at once -----------------------------------------------------------------------------------------


def even_layers(model):
    if model.layers % 2:
        yield "model.layers", "is odd"
        yield "model.kv_groups", "is written nowhere"


def too_many(run, training):
    if training.steps > 5:
        yield "training.steps", "too many"


RULES = [Rule(("model",), even_layers), Rule(("run", "training"), too_many)]


def test_problems_of_all_kinds_are_reported_at_once_in_order_of_place():
    second = "model:\n  layers: 3\n  layesr: 3\nprecision:\n  dtype: 8\n  dtype: 8\noptimizer: {}\n"
    assert problems(VALID, second, overrides=["optimizer.beta1=2"], rules=RULES) == [
        ("0.yaml:7", "model.kv_groups", "even-layers"),  # only the first file sets it
        ("0.yaml:9", "training.steps", "too-many"),
        ("1.yaml:2", "model.layers", "even-layers"),
        ("1.yaml:3", "model.layesr", "unknown-key"),
        ("1.yaml:6", "precision.dtype", "duplicate-key"),
        ("1.yaml:6", "precision.dtype", "literal-error"),
        ("command line", "optimizer.beta1", "less-than"),
    ]


def test_a_rule_is_skipped_if_one_of_its_sections_is_invalid():
    assert [path for _, path, _ in problems(VALID, "run: {seed: x}\nmodel: {layers: 3}", rules=RULES)] == [
        "model.kv_groups",
        "run.seed",
        "model.layers",
    ]


def test_nothing_is_reported_as_missing_if_a_file_is_unreadable():
    assert problem("run: [")[0] == "0.yaml:1"
    assert problem("- a")[0] == "0.yaml:1"
    assert problem(overrides=["run.folder=["])[0] == "command line"
    assert problems("run: [", "- a") == [
        ("0.yaml:1", "", "invalid-yaml"),
        ("1.yaml:1", "", "not-a-mapping"),
    ]


def test_later_problems_are_located_too():
    result = load(Config, files_of(VALID), ["training.steps=3"])
    assert str(result.problem("model.heads", "x")) == "0.yaml:6: model.heads: x"
    assert (
        str(result.problem("model.extra.y", "x")) == "0.yaml:2: model.extra.y: x"
    )  # the nearest level above
    assert str(result.problem("training.steps", "x")) == "command line: training.steps: x"


def test_a_configuration_cannot_be_changed():
    with pytest.raises(Exception, match="cannot assign"):
        loaded(VALID).training.steps = 5


# --- round trip ------------------------------------------------------------------------------------------

TRICKY = st.sampled_from(
    ["yes", "no", "3e-4", "0o17", "010", "null", "~", "true", "04:00:00", "a: b", "# x", "- x", "<<", "=", "&a", "*a",
     "!x", "%", "@", "\t", " a ", "a\nb", "\u2028", "\x85", "'", '"', "한국어", "{", "[", "1_000", ".inf", "x" * 200]
)  # fmt: skip
TEXT = TRICKY | st.text(max_size=20)
PATH = TEXT.filter(lambda text: text and "\0" not in text and not text.startswith("~"))
POSITIVE = st.integers(1, 10_000)
FRACTION = st.floats(0, 1)
RATE = st.floats(min_value=0, exclude_min=True, max_value=3e38)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
LLAMA3 = st.fixed_dictionaries(
    {"type": st.just("llama3"), "factor": RATE, "low_freq_factor": RATE, "high_freq_factor": RATE,
     "original_max_sequence_length": POSITIVE}
)  # fmt: skip
SCHEDULES = st.one_of(
    st.fixed_dictionaries({"type": st.just("constant")}, optional={"warmup_steps": st.integers(0, 99)}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["linear", "cosine"])}, optional={"final_ratio": FRACTION}
    ),
    st.fixed_dictionaries(
        {"type": st.just("wsd"), "decay_steps": POSITIVE, "decay": st.sampled_from(["linear", "minus_sqrt"])}
    ),
    st.fixed_dictionaries(
        {"type": st.just("multistep"), "milestones": st.lists(FRACTION), "ratios": st.lists(FRACTION)}
    ),
)
CONFIGS = st.fixed_dictionaries(
    {
        "run": st.fixed_dictionaries(
            {"folder": PATH},
            optional={
                "seed": st.integers(0, 2**32 - 1),
                "device": st.just("cpu"),
                "timeout_s": st.floats(1, 2_592_000),
            },
        ),
        "model": st.fixed_dictionaries(
            {
                key: POSITIVE
                for key in (
                    "layers",
                    "hidden_size",
                    "ffn_hidden_size",
                    "heads",
                    "kv_groups",
                    "max_sequence_length",
                )
            },
            optional={
                "head_size": st.none() | POSITIVE,
                "tied_embeddings": st.booleans(),
                "norm_epsilon": st.floats(min_value=0, exclude_min=True, max_value=1),
                "rope": st.fixed_dictionaries({"base": RATE, "scaling": LLAMA3 | st.just({"type": "none"})}),
                "extra": st.dictionaries(TEXT, ANYTHING, max_size=3),
            },
        ),
        "training": st.fixed_dictionaries(
            {key: POSITIVE for key in ("steps", "global_batch_size", "micro_batch_size", "sequence_length")}
        ),
        "optimizer": st.fixed_dictionaries(
            {"learning_rate": RATE}, optional={"beta2": st.floats(0, 1, exclude_max=True)}
        ),
        "schedule": SCHEDULES,
        "data": st.fixed_dictionaries(
            {"manifest": PATH},
            optional={"mixture": st.none() | st.dictionaries(TEXT, RATE, min_size=1, max_size=3)},
        ),
    },
    optional={"reporting": st.fixed_dictionaries({"wandb_project": st.none() | TEXT})},
)


@pytest.mark.any_core
@settings(max_examples=60, deadline=None)
@given(data=CONFIGS)
def test_every_valid_configuration_survives_being_printed_and_loaded(tmp_path_factory, data):
    config = TypeAdapter(Config).validate_python(data)
    file = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    file.write_text(to_yaml(config), encoding="utf-8", newline="")
    assert load(Config, [str(file)], []).config == config


@pytest.mark.parametrize("name", ["한국어", "😀한국어", "a\\Users"])
def test_the_printed_configuration_contains_defaults_and_is_readable(name):
    text = to_yaml(loaded(VALID, overrides=[f"run.folder=runs/{name}"]))
    assert f"folder: runs/{name}\n" in text
    assert yaml.safe_load(text)["checkpoint"]["resume"] == "auto"
    assert list(yaml.safe_load(text)) == list(Config.__pydantic_fields__)
