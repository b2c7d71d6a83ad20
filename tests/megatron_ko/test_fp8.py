"""FP8 without a GPU: the section, the widths a recipe needs, the packages and GPUs it needs, and what a resume may change."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from megatron_ko.config.fp8 import (
    BlockwiseFp8,
    DelayedFp8,
    Fp8,
    Mxfp8,
    NoFp8,
    TensorwiseFp8,
    bf16_layers,
)
from megatron_ko.config.loading import load, to_yaml
from megatron_ko.config.training import Config, ParallelConfig
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning import installed, start_checks
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.flops import flops_per_token, fp8_share
from megatron_ko.planning.fp8_rules import MULTIPLE, change_of, check_recipe, gpu_problem
from megatron_ko.planning.memory import stage_memories
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.state_formats import StateFormats, formats_of
from megatron_ko.preflight import check_run, preflight
from tests import ranks
from tests.megatron_ko.test_flops import LLAMA3_8B, LLAMA3_VOCAB
from tests.megatron_ko.test_memory import SMALL, SMALL_VOCAB
from tests.tiny_run import write_tiny_run

GPU = """\
run: {folder: runs/x, device: cuda}
model: {layers: 8, hidden_size: 512, ffn_hidden_size: 1024, heads: 8, kv_groups: 4, max_sequence_length: 512, vocab_size: 1000}
training: {steps: 10, global_batch_size: 16, micro_batch_size: 2, sequence_length: 256}
optimizer: {learning_rate: 3e-3}
schedule: {type: cosine, warmup_steps: 2}
data: {manifest: data/manifest.json}
"""


@pytest.fixture
def gpu_run(tmp_path) -> str:
    path = tmp_path / "gpu.yaml"
    path.write_text(GPU)
    return str(path)


def problems_of(file: str, overrides: list[str], ranks: int = 1) -> dict[str, str]:
    """Rules by path."""
    with pytest.raises(ConfigError) as caught:
        load(Config, [file], overrides, layout_rules(ranks))
    return {problem.path: problem.rule for problem in caught.value.problems}


# --- the section -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("none", NoFp8),
        ("tensorwise", TensorwiseFp8),
        ("delayed", DelayedFp8),
        ("blockwise", BlockwiseFp8),
        ("mxfp8", Mxfp8),
    ],
)
def test_a_recipe_is_a_word_or_a_section(gpu_run, tmp_path, word, kind):
    short = load(Config, [gpu_run], [f"precision.fp8={word}"]).config
    assert type(short.precision.fp8) is kind
    assert load(Config, [gpu_run], [f"precision.fp8.type={word}"]).config == short
    printed = tmp_path / "printed.yaml"
    printed.write_text(to_yaml(short))
    assert load(Config, [str(printed)], []).config == short


def test_settings_of_another_recipe_are_unknown(gpu_run):
    assert problems_of(gpu_run, ["precision.fp8={type: delayed, bf16_first_layers: 1}"]) == {
        "precision.fp8.bf16_first_layers": "unknown-key"
    }


def test_a_wrong_word_is_reported_with_the_word_that_was_meant(gpu_run):
    with pytest.raises(ConfigError) as caught:
        load(Config, [gpu_run], ["precision.fp8=tensorwize"])
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == ("precision.fp8", "unknown-type")
    assert "did you mean tensorwise?" in problem.message


def test_a_setting_follows_a_word_on_the_command_line(gpu_run):
    overrides = ["precision.fp8=tensorwise", "precision.fp8.bf16_first_layers=2"]
    assert bf16_layers(load(Config, [gpu_run], overrides).config.precision.fp8) == (2, 1)


def test_the_first_and_last_layer_stay_in_bf16_by_default_where_the_recipe_allows_it(gpu_run):
    config = load(Config, [gpu_run], ["precision.fp8=tensorwise"], layout_rules(1)).config
    assert bf16_layers(config.precision.fp8) == (1, 1)
    assert bf16_layers(DelayedFp8(type="delayed")) == (0, 0)
    assert formats_of(config).fp8_layers == range(1, 7)


# --- rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "ranks", "path", "rule"),
    [
        (["run.device=cpu", "precision.fp8=tensorwise"], 1, "precision.fp8", "fp8-possible"),
        (["precision={dtype: fp32, fp8: mxfp8}"], 1, "precision.dtype", "fp8-possible"),
        (["precision.fp8={type: tensorwise, bf16_first_layers: 5}", "parallel.pipeline=2"], 2,
         "precision.fp8.bf16_first_layers", "fp8-layers"),
        (["precision.fp8={type: delayed, parameter_gather: true}", "checkpoint.initial_weights=x"], 1,
         "precision.fp8.parameter_gather", "fp8-weights-begin"),
        (["precision.fp8=tensorwise", "model.ffn_hidden_size=1000"], 1, "model.ffn_hidden_size", "fp8-widths"),
        (["precision.fp8=mxfp8", "model.ffn_hidden_size=1040"], 1, "model.ffn_hidden_size", "fp8-widths"),
        (["precision.fp8=blockwise", "model.ffn_hidden_size=1024", "parallel.tensor=4", "model.hidden_size=1024",
          "model.heads=8", "model.ffn_hidden_size=1088"], 4, "model.ffn_hidden_size", "fp8-widths"),
        (["precision.fp8=delayed", "parallel.recompute.type=selective"], 1, "parallel.recompute.modules", "fp8-recompute"),
        # 2 x 252 = 504 tokens are no multiple of 16, 2 x 200 = 400 are one, but not of 128
        (["precision.fp8=tensorwise", "training.sequence_length=252"], 1, "training.sequence_length", "fp8-tokens"),
        (["precision.fp8=blockwise", "training.sequence_length=200"], 1, "training.sequence_length", "fp8-tokens"),
        # sequence parallelism quantizes the tokens that it has split: 2 x 136 / 2 = 136
        (["precision.fp8=tensorwise", "training.sequence_length=136", "parallel.tensor=2", "parallel.sequence=true"], 2,
         "training.sequence_length", "fp8-tokens"),
    ],
)  # fmt: skip
def test_what_a_recipe_cannot_do_is_reported_with_its_key(gpu_run, overrides, ranks, path, rule):
    assert problems_of(gpu_run, overrides, ranks)[path] == rule


@pytest.mark.parametrize("recipe", MULTIPLE)
def test_the_smallest_multiples_pass_and_the_length_that_an_error_names_passes(gpu_run, recipe):
    load(Config, [gpu_run], [f"precision.fp8={recipe}"], layout_rules(1))
    with pytest.raises(ConfigError) as caught:
        overrides = [f"precision.fp8={recipe}", "training.micro_batch_size=1", "training.sequence_length=250"]
        load(Config, [gpu_run], overrides, layout_rules(1))
    (problem,) = caught.value.problems
    length = -(-250 // MULTIPLE[recipe]) * MULTIPLE[recipe]
    assert str(length) in problem.message
    overrides[-1] = f"training.sequence_length={length}"
    load(Config, [gpu_run], overrides, layout_rules(1))


def test_a_stage_names_its_own_length(gpu_run):
    stages = "stages=[{name: a, steps: 5}, {name: b, steps: 5, sequence_length: 252}]"
    overrides = ["precision.fp8=tensorwise", "training.steps=none", stages]
    assert problems_of(gpu_run, overrides) == {"stages.1.sequence_length": "fp8-tokens"}


def test_stages_exclude_weights_in_fp8(gpu_run):
    stages = "stages=[{name: a, steps: 5}, {name: b, steps: 5}]"
    overrides = ["precision.fp8={type: tensorwise, parameter_gather: true}", "training.steps=none", stages]
    assert problems_of(gpu_run, overrides) == {"precision.fp8.parameter_gather": "one-stage"}


# --- packages and GPUs -----------------------------------------------------------------------------------


def start(
    file: str, overrides: list[str], environment: dict[str, str] | None = None
) -> tuple[str, str] | None:
    """Path and rule of the first problem of a start; None if it may start."""
    try:
        start_checks.check_installed(load(Config, [file], overrides, layout_rules(1)), environment or {})
    except ConfigError as error:
        return error.problems[0].path, error.rule
    return None


@pytest.mark.parametrize(
    ("version", "overrides", "expected"),
    [
        (None, ["precision.fp8=tensorwise"], ("precision.fp8", "engine-missing")),
        (None, ["speed.layers=engine"], ("speed.layers", "engine-missing")),
        (None, ["speed.precision_aware_adam=true"], ("speed.precision_aware_adam", "engine-missing")),
        (None, ["speed.fused_rope=true"], ("speed.fused_rope", "engine-missing")),
        (None, [], None),
        ("2.1.0", ["precision.fp8=tensorwise"], ("precision.fp8", "engine-too-old")),
        ("2.2.0", ["precision.fp8=tensorwise"], None),
        ("2.2.0", ["precision.fp8=blockwise"], ("precision.fp8", "engine-too-old")),
        ("2.11.0+cu13", ["precision.fp8=blockwise"], None),
        ("1.13.0", ["precision.fp8=delayed"], ("precision.fp8", "engine-too-old")),
        ("", ["precision.fp8=delayed"], ("precision.fp8", "engine-too-old")),
        ("2.5.0", ["precision.fp8=tensorwise", "parallel.recompute.type=selective"],
         ("parallel.recompute.modules", "engine-too-old")),
        ("2.6.0", ["precision.fp8=tensorwise", "parallel.recompute.type=selective"], None),
        ("2.5.0", ["precision.fp8=tensorwise", "parallel.recompute={type: selective, modules: [mlp]}"], None),
        ("2.5.0", ["parallel.recompute.type=selective"], None),
        ("2.0.0", ["speed.precision_aware_adam=true"], ("speed.precision_aware_adam", "engine-too-old")),
        ("2.1.0", ["speed.precision_aware_adam=true"], None),
        ("1.13.0", ["speed.layers=engine"], ("speed.layers", "engine-too-old")),
    ],
)  # fmt: skip
def test_a_start_needs_transformer_engine_and_names_its_version(
    gpu_run, monkeypatch, version, overrides, expected
):
    engine = None if version is None else installed.Engine(version)
    monkeypatch.setattr(start_checks, "find_engine", lambda: engine)
    assert start(gpu_run, overrides) == expected


def test_every_field_that_an_old_version_lacks_is_named(gpu_run, monkeypatch):
    monkeypatch.setattr(start_checks, "find_engine", lambda: installed.Engine("2.0.0"))
    overrides = [
        "precision.fp8=tensorwise",
        "parallel.recompute.type=selective",
        "speed.precision_aware_adam=true",
    ]
    with pytest.raises(ConfigError) as caught:
        start_checks.check_installed(load(Config, [gpu_run], overrides, layout_rules(1)), {})
    minimums = {
        "precision.fp8": "2.2",
        "parallel.recompute.modules": "2.6",
        "speed.precision_aware_adam": "2.1",
    }
    assert {problem.path for problem in caught.value.problems} == set(minimums)
    for problem in caught.value.problems:
        assert minimums[problem.path] in problem.message and "2.0.0" in problem.message


@pytest.mark.parametrize(
    ("package", "overrides", "expected"),
    [
        (None, ["speed.attention=flash"], ("speed.attention", "flash-attention-missing")),
        (None, ["speed.attention=fused"], None),
        (None, [], None),
        ("flash_attn-2.8.1", ["speed.attention=flash"], None),
        ("flash_attn_3-3.0.0", ["speed.attention=flash"], None),
    ],
)
def test_flash_attention_is_a_package_of_its_own(
    gpu_run, tmp_path, monkeypatch, package, overrides, expected
):
    """Transformer Engine finds it by its metadata, under one of two names."""
    if package:
        name, _, version = package.partition("-")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (tmp_path / "site" / f"{package}.dist-info").mkdir(parents=True)
        (tmp_path / "site" / f"{package}.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.setattr("sys.path", [str(tmp_path / "site")])
    monkeypatch.setattr(start_checks, "find_engine", lambda: installed.Engine("2.11.0"))
    assert start(gpu_run, overrides) == expected


def test_a_run_without_transformer_engine_is_planned_but_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr(start_checks, "find_engine", lambda: None)
    file = write_tiny_run(tmp_path)
    overrides = ["run.device=cuda", "precision.dtype=bf16", "precision.fp8=tensorwise"]
    with pytest.raises(ConfigError) as caught:
        preflight([file], overrides, 1)
    assert (caught.value.problems[0].path, caught.value.rule) == ("precision.fp8", "engine-missing")
    plan = Plan.of(load(Config, [file], [*overrides, "model.vocab_size=1000"], layout_rules(1)).config, 1)
    (line,) = [line for line in plan.text().splitlines() if line.startswith("fp8 ")]
    assert line.split()[1:6] == ["tensorwise,", "hybrid,", "2", "of", "4"]


def package(folder: Path, files: list[str]) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


ENGINE = ["transformer_engine/__init__.py"]
NVIDIA_APEX = ["apex/__init__.py", "apex/optimizers/fused_adam.py"]
PYPI_APEX = ["apex/__init__.py", "apex/lib/libapex.py"]
KERNELS = ["amp_C.py", "fused_weight_gradient_mlp_cuda.py"]


@pytest.mark.parametrize(
    ("files", "has_engine", "defect"),
    [
        ([], False, False),
        (["transformer_engine/common/x.txt"], True, True),  # a left-over folder
        (ENGINE, True, True),  # without its PyTorch side
        ([*ENGINE, "transformer_engine_torch.py"], True, False),
        ([*ENGINE, "transformer_engine_torch.cpython-312-x86_64-linux-gnu.so"], True, False),
        ([*ENGINE, "transformer_engine/wheel_lib/transformer_engine_torch.cpython-312.so"], True, False),
    ],
)
def test_an_incomplete_transformer_engine_is_recognized(tmp_path, monkeypatch, files, has_engine, defect):
    package(tmp_path, files)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    for name in (
        "transformer_engine",
        "transformer_engine_torch",
    ):  # one that is installed may have been imported
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    engine = installed.find_engine()
    assert (engine is not None) == has_engine
    assert bool(engine and engine.defect) == defect
    assert installed.uses_engine() == (has_engine and not defect)


@pytest.mark.parametrize(
    ("files", "build", "rule"),
    [
        ([], "none", "apex-missing"),
        (PYPI_APEX, "namesake", "apex-namesake"),
        (NVIDIA_APEX, "uncompiled", "apex-missing"),
        ([*NVIDIA_APEX, *KERNELS], "compiled", None),
    ],
)
def test_the_namesake_of_apex_is_recognized_and_named(gpu_run, tmp_path, monkeypatch, files, build, rule):
    package(tmp_path / "site", files)
    monkeypatch.setattr("sys.path", [str(tmp_path / "site")])
    importlib.invalidate_caches()
    assert installed.find_apex() == build
    assert start(gpu_run, ["speed.adam=apex"]) == (rule and ("speed.adam", rule))
    own = start(gpu_run, ["speed.layers=own", "speed.fused_gradient_accumulation=true"])
    assert own == (rule and ("speed.fused_gradient_accumulation", rule))
    assert start(gpu_run, []) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"NVTE_FLASH_ATTN": "1"}, None),
        ({"NVTE_FLASH_ATTN": "0"}, ("speed.attention", "attention-environment")),
    ],
)
def test_an_attention_kernel_chosen_in_the_environment_is_reported(gpu_run, environment, expected):
    assert start(gpu_run, [], environment) == expected


@pytest.mark.parametrize(
    ("recipe", "capability", "cuda", "possible"),
    [
        ("tensorwise", (8, 9), "12.4", True),
        ("tensorwise", (8, 0), "13.0", False),
        ("delayed", (9, 0), "12.4", True),
        ("blockwise", (9, 0), "12.9", True),
        ("blockwise", (9, 0), "12.8", False),
        ("blockwise", (8, 9), "13.0", False),
        ("mxfp8", (9, 0), "13.0", False),
        ("mxfp8", (10, 0), "13.0", True),
        ("mxfp8", (10, 3), "13.0", True),
        ("mxfp8", (12, 0), "13.0", False),
        ("tensorwise", (12, 0), "13.0", True),
    ],
)
def test_a_gpu_runs_a_recipe_or_not(recipe, capability, cuda, possible):
    problem = gpu_problem(recipe, "GPU", capability, cuda)
    assert (problem is None) == possible
    assert problem is None or recipe in problem


# --- resuming --------------------------------------------------------------------------------------------

DELAYED = DelayedFp8(type="delayed")
RECIPES: dict[str, Fp8 | None] = {
    "earlier version": None,
    "none": NoFp8(),
    "tensorwise": TensorwiseFp8(type="tensorwise"),
    "blockwise": BlockwiseFp8(type="blockwise"),
    "mxfp8": Mxfp8(type="mxfp8"),
    "delayed": DELAYED,
    "other format": dataclasses.replace(DELAYED, format="e4m3"),
    "other length": dataclasses.replace(DELAYED, history_steps=16),
}
STATELESS = ["none", "tensorwise", "blockwise", "mxfp8"]


def test_the_table_of_changes_at_a_resume():
    """docs/gpu-guide.md has this table."""
    for name, before in RECIPES.items():
        has_history = isinstance(before, DelayedFp8)
        for now in STATELESS:
            recipe = RECIPES[now]
            assert recipe is not None
            assert change_of(before, recipe) == ("without_history" if has_history else "continues"), (
                name,
                now,
            )
        expected = "continues" if name == "delayed" else "refused"
        assert change_of(before, DELAYED) == expected, name
        anew = change_of(before, dataclasses.replace(DELAYED, new_history=True))
        assert anew == ("continues" if name == "delayed" else "with_new_history"), name
    gathered = dataclasses.replace(DELAYED, parameter_gather=True)
    assert change_of(DELAYED, gathered) == "continues"


def test_a_refused_change_names_the_checkpoint_and_the_field():
    with pytest.raises(CheckpointError) as caught:
        check_recipe(Path("runs/x/checkpoints/step_00000010"), NoFp8(), DELAYED)
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == ("precision.fp8", "scaling-history-missing")
    assert "step_00000010" in problem.where
    check_recipe(Path("x"), DELAYED, DELAYED)


def test_a_recipe_in_a_checkpoint_is_read_as_it_was_written():
    adapter = TypeAdapter(Fp8)
    for recipe in RECIPES.values():
        if recipe is not None:
            assert adapter.validate_python(dataclasses.asdict(recipe)) == recipe


@pytest.mark.ranks
def test_the_recipe_in_a_checkpoint_decides_what_a_resume_may_choose(tmp_path):
    file = write_tiny_run(tmp_path)
    ranks.train(file, ["training.steps=5"])
    description = checkpoint_folder(tmp_path / "run", 5) / "checkpoint.json"
    content = json.loads(description.read_text())
    assert content["fp8"] == {"type": "none"}
    on_gpu = ["run.device=cuda", "precision.dtype=bf16"]

    def rule_of(*overrides: str) -> str | None:
        try:  # for another machine, so nothing need be installed
            check_run(load_training([file], [*on_gpu, *overrides], layout_rules(1)), 1)
        except CheckpointError as error:
            return error.rule
        return None

    delayed, history = "precision.fp8=delayed", "precision.fp8.new_history=true"
    assert rule_of(delayed) == "scaling-history-missing"
    assert [rule_of(delayed, history), rule_of("precision.fp8=tensorwise"), rule_of()] == [None] * 3
    content["fp8"] = dataclasses.asdict(DELAYED)
    description.write_text(json.dumps(content))
    assert [rule_of(delayed), rule_of("precision.fp8=tensorwise"), rule_of()] == [None] * 3
    assert rule_of(delayed, "precision.fp8.history_steps=16") == "scaling-history-missing"


# --- memory and FLOPs ------------------------------------------------------------------------------------


def memory(formats: StateFormats, data: int = 1):
    (used,) = stage_memories(
        SMALL, ParallelConfig(), padded_vocab_size=SMALL_VOCAB, data_parallel=data, micro_batch_size=1,
        micro_batches=1, sequence_length=16, bytes_per_weight=2, formats=formats,
    )  # fmt: skip
    return used


def test_fp8_copies_and_saved_inputs_of_one_layer_by_hand():
    """Matrices of a layer have 576 elements, two copies of one byte each. Inputs of its products have 8 + 8 + 8 + 16
    values per token, of which FP8 saves one byte each."""
    plain, one, all_fp8 = memory(StateFormats()), memory(StateFormats(fp8_layers=range(1))), memory(
        StateFormats(fp8_layers=range(2), fp8_weights=True)
    )  # fmt: skip
    assert one.weights_bytes - plain.weights_bytes == 2 * 576
    assert plain.activations_bytes - one.activations_bytes == 16 * 40
    assert all_fp8.weights_bytes == plain.weights_bytes
    assert plain.activations_bytes - all_fp8.activations_bytes == 2 * 16 * 40


def test_formats_of_the_optimizer_by_hand():
    """1704 parameters: 2 bytes of master weight, moments of 1 byte each, gradients of 2."""
    small = memory(StateFormats(master=2, moment=1, gradient=2))
    assert (small.optimizer_bytes, small.gradients_bytes) == (4 * 1704, 2 * 1704)
    half = memory(StateFormats(offloaded=0.5))
    assert (half.optimizer_bytes, half.host_bytes) == (6 * 1704, 6 * 1704)
    assert half.total_bytes == memory(StateFormats()).total_bytes - 6 * 1704


def test_the_share_of_fp8_counts_the_products_of_its_layers():
    """Llama 3 8B: 218,103,808 elements multiply in a layer."""
    share = fp8_share(LLAMA3_8B, LLAMA3_VOCAB, 8192, range(1, 31))
    assert share == pytest.approx(
        30 * 6 * 218_103_808 / flops_per_token(LLAMA3_8B, LLAMA3_VOCAB, 8192), rel=1e-12
    )
    assert 0.6 < share < 0.8


def test_master_weights_of_recipes_with_present_scales_are_whole(gpu_run):
    """megatron-core keeps fp32 weights itself with tensorwise scaling; Adam keeps remainders without FP8."""
    for recipe, master in (("none", 2), ("delayed", 2), ("tensorwise", None)):
        overrides = [f"precision.fp8={recipe}", "speed.precision_aware_adam=true", "speed.adam_moments=bf16"]
        formats = formats_of(load(Config, [gpu_run], overrides, layout_rules(1)).config)
        assert (formats.master, formats.moment) == (master, 2)
