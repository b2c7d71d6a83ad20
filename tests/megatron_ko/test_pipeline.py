"""Virtual and uneven pipelines, and recomputation: the layers of each stage, the rules, and runs that train like one rank."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint_tools import verify
from checkpoint_tools.formats import mcore
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.pipeline import chunks_in_flight, chunks_of_stage, describe_layers, stage_sizes
from megatron_ko.preflight import preflight
from tests import ranks
from tests.megatron_ko.test_flops import shape
from tests.megatron_ko.test_lora import write_base, write_config
from tests.megatron_ko.test_resume import same_tensors
from tests.megatron_ko.test_stages import write_stages
from tests.run_records import LOSS, assert_equal_curves, curve, records
from tests.tiny_data import write_tiny_data
from tests.tiny_run import tiny_config, write_tiny_run

# --- the layers of each stage ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layers, fields, expected",
    [
        (8, {}, [2, 2, 2, 2]),
        (9, {}, None),
        (8, {"first_stage_layers": 2}, [2, 2, 2, 2]),
        (10, {"first_stage_layers": 1}, [1, 3, 3, 3]),
        (10, {"last_stage_layers": 1}, [3, 3, 3, 1]),
        (9, {"first_stage_layers": 2, "last_stage_layers": 1}, [2, 3, 3, 1]),
        (9, {"first_stage_layers": 2, "last_stage_layers": 2}, None),
        (4, {"first_stage_layers": 4}, None),
        (3, {"first_stage_layers": 5}, None),
    ],
)
def test_layers_that_are_not_given_are_divided_evenly(layers, fields, expected):
    assert stage_sizes(layers, ParallelConfig(pipeline=4, **fields)) == expected


def test_two_stages_may_both_be_given():
    assert stage_sizes(7, ParallelConfig(pipeline=2, first_stage_layers=3, last_stage_layers=4)) == [3, 4]
    assert stage_sizes(8, ParallelConfig(pipeline=2, first_stage_layers=3, last_stage_layers=4)) is None


def test_chunks_of_a_virtual_pipeline_take_turns():
    parallel = ParallelConfig(pipeline=2, virtual_pipeline=2, first_stage_layers=2)
    stages = [chunks_of_stage(8, parallel, stage) for stage in range(2)]
    assert stages == [(range(0, 1), range(4, 5)), (range(1, 4), range(5, 8))]
    assert [describe_layers(chunks) for chunks in stages] == ["layers 0, 4", "layers 1-3, 5-7"]


@settings(max_examples=20, deadline=None)
@given(
    pipeline=st.integers(2, 5),
    virtual=st.integers(1, 3),
    parts=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    given_ends=st.tuples(st.booleans(), st.booleans()),
)
def test_layers_are_those_of_megatron_core(pipeline, virtual, parts, given_ends):
    from megatron.core.transformer.transformer_block import get_num_layers_to_build
    from megatron.core.transformer.transformer_layer import get_transformer_layer_offset

    from megatron_ko.training.model import transformer_config

    first, middle, last = (
        part if is_given else parts[1] for part, is_given in zip(parts, (given_ends[0], False, given_ends[1]))
    )
    sizes = [first * virtual, *[middle * virtual] * (pipeline - 2), last * virtual]
    parallel = ParallelConfig(
        pipeline=pipeline,
        virtual_pipeline=virtual,
        first_stage_layers=sizes[0] if given_ends[0] else None,
        last_stage_layers=sizes[-1] if given_ends[1] else None,
    )
    model = shape(sum(sizes), 8, 16, 2, 1)
    config = transformer_config(model, parallel, PrecisionConfig(dtype="fp32"), "cpu")
    for stage in range(pipeline):
        for number, chunk in enumerate(chunks_of_stage(model.layers, parallel, stage)):
            turn = number if virtual > 1 else None
            assert len(chunk) == get_num_layers_to_build(config, turn, stage)
            assert chunk.start == get_transformer_layer_offset(config, turn, stage)


@pytest.mark.parametrize(
    "virtual, stage, micro_batches, expected",
    [
        (1, 0, 8, 4), (1, 3, 8, 1), (1, 0, 2, 2),
        # megatron-core's warm-up: 2 x 3 + 1 x 4 chunks, and the one that is run next
        (2, 0, 8, 11), (2, 3, 8, 5), (2, 0, 4, 8),
    ],
)  # fmt: skip
def test_chunks_in_flight(virtual, stage, micro_batches, expected):
    parallel = ParallelConfig(pipeline=4, virtual_pipeline=virtual)
    assert chunks_in_flight(parallel, stage, micro_batches) == expected


# --- rules -----------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path) -> str:
    """The tiny run: 4 layers, 4 micro-batches of 2 sequences on one data-parallel rank."""
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(tiny_config(tmp_path)), encoding="utf-8")
    return str(path)


def problems(file: str, overrides: list[str], world_size: int) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as caught:
        load(Config, [file], overrides, layout_rules(world_size))
    return {problem.path: problem for problem in caught.value.problems}


@pytest.mark.parametrize(
    "overrides, ranks, path, rule, values",
    [
        (["parallel.virtual_pipeline=2"], 1, "parallel.virtual_pipeline", "needs-pipeline", "2 1"),
        (["parallel.first_stage_layers=2"], 1, "parallel.first_stage_layers", "needs-pipeline", "2"),
        (["parallel.pipeline=2", "parallel.virtual_pipeline=3"], 2, "parallel.virtual_pipeline", "pipeline-split", "3 2"),
        (["parallel.pipeline=2", "parallel.first_stage_layers=4"], 2, "parallel.first_stage_layers", "pipeline-split", "4 0"),
        (["parallel.pipeline=2", "parallel.first_stage_layers=1", "parallel.virtual_pipeline=2"], 2,
         "parallel.virtual_pipeline", "pipeline-split", "1, 3"),
        (["parallel.pipeline=2", "parallel.virtual_pipeline=2", "training.global_batch_size=6"], 2,
         "training.global_batch_size", "micro-batches-fill-pipeline", "6 3 2 4"),
        (["parallel.pipeline=2", "parallel.virtual_pipeline=2", "training.batch_ramp={start: 2, increment: 2, samples: 8}"], 2,
         "training.batch_ramp.start", "micro-batches-fill-pipeline", "2 1 4"),
        (["parallel.recompute={type: full, layers: 5}"], 1, "parallel.recompute.layers", "recompute-fits", "5 4"),
        (["parallel.recompute={type: full, layers: 2}", "parallel.pipeline=2", "parallel.virtual_pipeline=2"], 2,
         "parallel.recompute.layers", "recompute-fits", "2 1"),
        (["parallel.recompute={type: selective, modules: [mlp, mlp]}"], 1, "parallel.recompute.modules", "recompute-fits", "mlp"),
        (["model.extra.recompute_granularity=full"], 1, "model.extra.recompute_granularity", "extra-fields",
         "parallel.recompute.type"),
        (["model.extra.num_layers_in_first_pipeline_stage=1"], 1, "model.extra.num_layers_in_first_pipeline_stage",
         "extra-fields", "parallel.first_stage_layers"),
        (["model.extra.virtual_pipeline_model_parallel_size=2"], 1, "model.extra.virtual_pipeline_model_parallel_size",
         "extra-fields", "parallel.virtual_pipeline"),
    ],
)  # fmt: skip
def test_an_impossible_pipeline_is_reported_with_its_key_and_values(
    file, overrides, ranks, path, rule, values
):
    problem = problems(file, overrides, ranks)[path]
    assert problem.rule == rule and ";" in problem.message, "the remedy is missing"
    assert values in problem.message or all(value in problem.message for value in values.split())


def test_a_problem_names_the_line_of_the_field(file):
    config = yaml.safe_load(Path(file).read_text())
    config["parallel"] = {"pipeline": 2, "virtual_pipeline": 3}
    Path(file).write_text(yaml.safe_dump(config, sort_keys=False))
    line = Path(file).read_text().splitlines().index("  virtual_pipeline: 3") + 1
    assert problems(file, [], 2)["parallel.virtual_pipeline"].where == f"{file}:{line}"


def test_the_plan_shows_layers_and_memory_of_each_stage(tmp_path):
    config = write_tiny_run(tmp_path)
    overrides = ["parallel.pipeline=2", "parallel.first_stage_layers=3"]
    plan = preflight([config], overrides, 2).plan
    first, last = plan.stage_memories
    assert plan.memory == max(plan.stage_memories, key=lambda memory: memory.total_bytes)
    layer = 64 * 128 + 64 * 64 + 3 * 64 * 128 + 2 * 64
    assert (first.parameters, last.parameters) == (3 * layer + 1008 * 64, layer + 64 + 1008 * 64)
    lines = [line for line in plan.text().splitlines() if "layer" in line]
    assert ["layers 0-2" in lines[0], "layer 3" in lines[1]] == [True, True]
    assert "layers 0-2" not in preflight([config], [], 1).plan.text()


# --- training --------------------------------------------------------------------------------------------

VIRTUAL = ["parallel.pipeline=2", "parallel.virtual_pipeline=2"]
UNEVEN = ["parallel.pipeline=2", "parallel.first_stage_layers=3"]
SELECTIVE = ["parallel.recompute={type: selective, modules: [norms, mlp]}"]
EVERY = ["parallel.recompute={type: selective, modules: [attention, norms, mlp]}"]
FULL = ["parallel.recompute={type: full}"]
PAIRS = ["parallel.recompute={type: full, layers: 2}"]
BLOCK = ["parallel.recompute={type: full, method: block}"]
TP2, SP = ["parallel.tensor=2"], ["parallel.tensor=2", "parallel.sequence=true"]
LAYOUTS: dict[str, tuple[int, list[str]]] = {
    "selective": (1, SELECTIVE),
    "every module": (1, EVERY),
    "full": (1, FULL),
    "pairs of layers": (1, PAIRS),
    "block": (1, BLOCK),
    "TP2, selective": (2, [*TP2, *SELECTIVE]),
    "TP2, full": (2, [*TP2, *FULL]),
    "TP2, SP, every module": (2, [*SP, *EVERY]),
    "TP2, SP, full": (2, [*SP, *FULL]),
    "PP2, selective": (2, ["parallel.pipeline=2", *SELECTIVE]),
    "PP2, full": (2, ["parallel.pipeline=2", *FULL]),
    "CP2, full": (2, ["parallel.context=2", *FULL]),
    "PP2 x V2": (2, VIRTUAL),
    "PP2 x V2, every module": (2, [*VIRTUAL, *EVERY]),
    "PP2 x V2, full": (2, [*VIRTUAL, *FULL]),
    "PP2 x V2, TP2, SP, selective": (4, [*VIRTUAL, *SP, *SELECTIVE]),
    "PP2 x V2, DP2": (4, VIRTUAL),
    "PP2 x V2, CP2": (4, [*VIRTUAL, "parallel.context=2"]),
    "PP4, 1 layer each": (4, ["parallel.pipeline=4"]),
    "PP2, 3 and 1": (2, UNEVEN),
    "PP2, 1 and 3, block": (2, ["parallel.pipeline=2", "parallel.last_stage_layers=3", *BLOCK]),
}
MODELS = {
    "untied": ["model.tied_embeddings=false"],
    "tied": ["model.tied_embeddings=true", "loss.z_loss=0.01"],
}
DEFAULT = [("tied", "PP2 x V2, every module"), ("tied", "PP2, 1 and 3, block")]
CASES = [
    pytest.param(model, name, marks=[] if (model, name) in DEFAULT else pytest.mark.slow)
    for model in MODELS
    for name in LAYOUTS
]
# with the learning rate of the tiny run, rounding grows tenfold every two steps
TWENTY = [
    "training.steps=20", "checkpoint.every_steps=10", "evaluation.max_sequences=10", "optimizer.learning_rate=1e-3",
]  # fmt: skip


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    """The run on one rank without recomputation, once per model: (configuration, folder, overrides)."""
    runs: dict[str, tuple[str, Path, list[str]]] = {}

    def run(model: str) -> tuple[str, Path, list[str]]:
        if model not in runs:
            folder = tmp_path_factory.mktemp(model)
            config, fixed = write_tiny_run(folder), [*TWENTY, *MODELS[model]]
            ranks.train(config, [*fixed, f"run.folder={folder / 'one'}"])
            runs[model] = (config, folder, fixed)
        return runs[model]

    return run


def train(one_rank, model: str, name: str) -> Path:
    """The run on a layout, once."""
    config, folder, fixed = one_rank(model)
    count, layout = LAYOUTS[name]
    target = folder / name.replace(" ", "_")
    if not target.exists():
        ranks.train(config, [*fixed, *layout, f"run.folder={target}"], count)
    return target


@pytest.mark.ranks
@pytest.mark.parametrize(("model", "name"), CASES)
def test_it_trains_like_one_rank(one_rank, model, name):
    """The validation has 5 micro-batches of each set, an odd number, which a virtual pipeline fills up."""
    run, one = train(one_rank, model, name), one_rank(model)[1] / "one"
    assert_equal_curves(curve(run), curve(one))
    expected, actual = (records(folder, "valid")[-1]["loss"] for folder in (one, run))
    assert actual == pytest.approx(expected, abs=LOSS)


def half(run: Path, target: Path) -> Path:
    """A copy of a run as it was after 10 of its 20 steps."""
    shutil.copytree(run, target)
    shutil.rmtree(checkpoint_folder(target, 20))
    return target


@pytest.mark.ranks
def test_a_virtual_pipeline_resumes_on_one_rank_and_its_checkpoint_is_that_of_one_rank(one_rank, tmp_path):
    config, folder, fixed = one_rank("tied")
    virtual = train(one_rank, "tied", "PP2 x V2, every module")
    run = half(virtual, tmp_path / "one")
    ranks.train(config, [*fixed, f"run.folder={run}"])
    assert_equal_curves(curve(run), curve(folder / "one"))
    stores = [mcore.open_mcore(checkpoint_folder(path, 20)) for path in (folder / "one", virtual)]
    compared = verify.compare(*stores)
    assert compared.same_structure and compared.largest_difference < 1e-4


@pytest.mark.ranks
@pytest.mark.slow
@pytest.mark.parametrize("name", ["PP2 x V2", "PP2, 3 and 1"])
def test_one_rank_resumes_on_other_pipelines(one_rank, tmp_path, name):
    config, folder, fixed = one_rank("tied")
    count, layout = LAYOUTS[name]
    run = half(folder / "one", tmp_path / "other")
    ranks.train(config, [*fixed, *layout, f"run.folder={run}"], count)
    assert_equal_curves(curve(run), curve(folder / "one"))


@pytest.mark.ranks
@pytest.mark.slow
def test_a_virtual_pipeline_resumes_bit_for_bit(one_rank, tmp_path):
    config, _, fixed = one_rank("tied")
    virtual = train(one_rank, "tied", "PP2 x V2, every module")
    run = half(virtual, tmp_path / "same")
    ranks.train(config, [*fixed, *VIRTUAL, *EVERY, f"run.folder={run}"], 2)
    assert curve(run) == curve(virtual)
    assert same_tensors(checkpoint_folder(run, 20), checkpoint_folder(virtual, 20))


@pytest.mark.ranks
@pytest.mark.slow
def test_recomputed_layers_above_a_frozen_embedding_train(tmp_path):
    """Without a gradient of its input, a recomputed layer would pass none to its weights."""
    config = write_stages(
        tmp_path, [{"name": "upper", "steps": 4, "trains": {"layers": "1-3", "norms": True}}]
    )
    for name, layout in (("plain", []), ("full", FULL), ("selective", EVERY)):
        ranks.train(config, [*layout, f"run.folder={tmp_path / name}"])
    assert_equal_curves(curve(tmp_path / "full"), curve(tmp_path / "plain"))
    assert_equal_curves(curve(tmp_path / "selective"), curve(tmp_path / "plain"))


@pytest.mark.ranks
@pytest.mark.slow
@pytest.mark.parametrize("targets", ["[qkv, proj, fc1, fc2]", "[fc2]"])
def test_adapters_train_in_a_virtual_pipeline_with_recomputation(tmp_path, targets):
    write_tiny_data(tmp_path / "data")
    model = {"layers": 4, "qkv_bias": False, "tied_embeddings": True}
    config = write_config(tmp_path, write_base(tmp_path / "base", model), "tied")
    fixed = ["model.layers=4", f"lora.targets={targets}", "training.global_batch_size=8"]
    ranks.train(config, [*fixed, f"run.folder={tmp_path / 'one'}"])
    for name, count, layout in (("virtual", 2, [*VIRTUAL, *FULL]), ("selective", 1, EVERY)):
        ranks.train(config, [*fixed, *layout, f"run.folder={tmp_path / name}"], count)
        assert_equal_curves(curve(tmp_path / name), curve(tmp_path / "one"))
