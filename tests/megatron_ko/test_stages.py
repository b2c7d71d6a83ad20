"""Runs in stages: what trains, boundaries, checkpoints within a stage, on every layout like on one rank."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from megatron_ko.config.training import StageConfig
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.run_plan import Plan
from megatron_ko.preflight import preflight
from tests import ranks
from tests.checkpoint_tensors import read_tensors
from tests.run_records import records
from tests.tiny_data import write_tiny_data
from tests.tiny_run import write_tiny_run

OLD = 100  # the texts have ids up to 650
STAGES = [
    {"name": "all", "steps": 3},
    {
        "name": "rows",
        "samples": 24,
        "trains": {"embedding": "new", "norms": True},
        "mixture": {"ko": 1.0},
        "learning_rate": 3e-3,
    },
    {
        "name": "odd",
        "tokens": 1700,
        "trains": {"layers": "odd", "embedding": [5, "100-300", 900]},
        "sequence_length": 32,
        "global_batch_size": 4,
        "rope_base": 10_000.0,
        # what begins to train starts with zero moments: at 1e-3 rounding grows two-hundredfold in two steps
        "learning_rate": 3e-4,
        "schedule": {"type": "constant"},
    },
]
ALL, ROWS, ODD = 3, 6, 20
"""The last step of each stage: 3, 24 samples of 8, 1700 tokens of 4 x 32 rounded up."""
LAYOUTS = {
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "DP2": (2, []),
    "DP2, overlapped": (
        2,
        ["speed={overlap_grad_reduce: true, overlap_param_gather: true, bucket_size: 20000}"],
    ),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "CP2": (2, ["parallel.context=2"]),
    "PP2 x V2, selective": (
        2,
        ["parallel.pipeline=2", "parallel.virtual_pipeline=2", "parallel.recompute.type=selective"],
    ),
    "PP2 x V2, CP2": (4, ["parallel.pipeline=2", "parallel.virtual_pipeline=2", "parallel.context=2"]),
    "PP2 x V2, TP2 with sequence parallel, full": (
        4,
        [
            *(
                "parallel.pipeline=2",
                "parallel.virtual_pipeline=2",
                "parallel.tensor=2",
                "parallel.sequence=true",
            ),
            "parallel.recompute.type=full",
        ],
    ),
    "PP2, 3 and 1, full": (
        2,
        ["parallel.pipeline=2", "parallel.first_stage_layers=3", "parallel.recompute.type=full"],
    ),
}
DEFAULT = [("untied", "TP2"), ("untied", "DP2, overlapped")]
CASES = [
    pytest.param(model, name, marks=[] if (model, name) in DEFAULT else pytest.mark.slow)
    for model in ("untied", "tied")
    for name in LAYOUTS
]
pytestmark = pytest.mark.ranks


def write_stages(folder: Path, stages: list[dict] = STAGES) -> str:
    """The tiny run with ``stages``."""
    path = Path(write_tiny_run(folder))
    config = yaml.safe_load(path.read_text())
    del config["training"]["steps"]
    config["training"]["old_vocab_size"] = OLD
    config["checkpoint"]["every_steps"] = 1
    config["stages"] = stages
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return str(path)


def curve(folder: Path) -> list[tuple[float, float]]:
    return [(r["loss"], r["gradient_norm"]) for r in records(folder, "train")]


def tensors(run: Path, step: int) -> dict:
    return read_tensors(checkpoint_folder(run, step))


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    """The run on one rank, once per model: (configuration, folder, overrides)."""
    runs: dict[str, tuple[str, Path, list[str]]] = {}

    def run(model: str) -> tuple[str, Path, list[str]]:
        if model not in runs:
            folder = tmp_path_factory.mktemp(model)
            fixed = [f"model.tied_embeddings={str(model == 'tied').lower()}"]
            if model == "untied":
                fixed.append("stages.rows.trains.output=new")
            config = write_stages(folder)
            ranks.train(config, [*fixed, "checkpoint.every_steps=1000", f"run.folder={folder / 'one'}"])
            runs[model] = (config, folder, fixed)
        return runs[model]

    return run


@pytest.fixture(scope="module")
def on_layout(one_rank):
    """The run on a layout, once: (configuration, folder of the run, overrides, ranks)."""
    runs: dict[tuple[str, str], tuple[str, Path, list[str], int]] = {}

    def run(model: str, name: str) -> tuple[str, Path, list[str], int]:
        if (model, name) not in runs:
            config, folder, fixed = one_rank(model)
            count, overrides = LAYOUTS[name]
            target = folder / name.replace(" ", "_")
            saves = [] if (model, name) == DEFAULT[0] else ["checkpoint.every_steps=1000"]
            ranks.train(config, [*fixed, *overrides, *saves, f"run.folder={target}"], count)
            runs[model, name] = (config, target, [*fixed, *overrides], count)
        return runs[model, name]

    return run


@pytest.mark.parametrize(("model", "name"), CASES)
def test_a_run_in_stages_trains_like_one_rank(one_rank, on_layout, model, name):
    _, folder, _ = one_rank(model)
    _, target, *_ = on_layout(model, name)
    expected, actual = curve(folder / "one"), curve(target)
    assert len(actual) == len(expected) == ODD
    for (loss, norm), (actual_loss, actual_norm) in zip(expected, actual):
        assert actual_loss == pytest.approx(loss, abs=1e-5)
        assert actual_norm == pytest.approx(norm, rel=2e-4)
    assert_frozen_parts_keep_every_bit(target, model)


def assert_frozen_parts_keep_every_bit(run: Path, model: str) -> None:
    import torch

    before, rows, odd = (tensors(run, step) for step in (ALL, ROWS, ODD))
    embeddings = ["embedding.word_embeddings.weight"] + ["output_layer.weight"] * (model == "untied")
    states = [f"optimizer.state.{key}." for key in ("param", "exp_avg", "exp_avg_sq")]
    for name in embeddings:
        for key in ("", *states):
            old, new = before[key + name], rows[key + name]
            assert torch.equal(old[:OLD], new[:OLD]), key + name
            assert not torch.equal(old[OLD:1001], new[OLD:1001]), key + name
    frozen = [n for n in before if n.startswith("decoder.layers") and "norm" not in n]
    assert len(frozen) == 4  # qkv, proj, fc1, fc2
    assert all(torch.equal(before[name], rows[name]) for name in frozen)
    moved = torch.tensor([5, *range(100, 301), 900])
    left = torch.ones(1008, dtype=torch.bool).index_fill(0, moved, False)
    name = embeddings[0]
    for key in ("", *states):
        assert torch.equal(rows[key + name][left], odd[key + name][left]), key + name
    assert not torch.equal(rows[name][moved], odd[name][moved])
    for name in frozen:
        assert torch.equal(rows[name][0::2], odd[name][0::2]) and not torch.equal(
            rows[name][1::2], odd[name][1::2]
        )
    layers = {n.split(".")[5] for n in odd if n.startswith("optimizer.state.exp_avg.decoder.layers.")}
    assert layers == {"1", "3"}


def test_the_checkpoint_names_stage_and_position(on_layout):
    _, target, *_ = on_layout("untied", "TP2")
    marks = [Checkpoint.read(folder).stage for folder in checkpoints_of(target)]
    seen = [(m.number, m.name, m.step, m.samples, m.partial) for m in marks if m]
    assert seen[:7] == [
        (0, "all", 1, 8, False), (0, "all", 2, 16, False), (0, "all", 3, 24, False),
        (1, "rows", 1, 8, True), (1, "rows", 2, 16, True), (1, "rows", 3, 24, True),
        (2, "odd", 1, 4, True),
    ]  # fmt: skip
    last = Checkpoint.read(checkpoint_folder(target, ODD))
    assert (last.samples, last.tokens) == (24 + 24 + 14 * 4, 48 * 64 + 14 * 4 * 32)
    assert last.model.rope.base == 10_000.0
    drawn = {name: item.samples for name, item in last.data.train.items()} if last.data else {}
    assert sum(drawn.values()) == last.samples and drawn["ko"] > 24
    stages = records(target, "stage")
    assert [(s["name"], s["step"]) for s in stages] == [("all", 0), ("rows", 3), ("odd", 6)]
    assert stages[1]["trainable"] == 2 * (1001 - OLD) * 64 + 9 * 64


RESUMES = [2, *(pytest.param(step, marks=pytest.mark.slow) for step in (3, 5, 6, 8))]


@pytest.mark.parametrize("step", RESUMES)
def test_a_resume_in_any_stage_is_bit_for_bit(on_layout, tmp_path, step):
    import torch

    config, run, overrides, count = on_layout("untied", "TP2")
    target = copy_until(run, tmp_path / "resumed", step)
    ranks.train(config, [*overrides, f"run.folder={target}"], count)
    assert curve(target) == curve(run)
    expected, actual = tensors(run, ODD), tensors(target, ODD)
    assert sorted(expected) == sorted(actual)
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        pytest.param(5, "PP2", marks=pytest.mark.any_core),
        *(pytest.param(s, n, marks=pytest.mark.slow) for s in (2, 3, 6, 8) for n in ("PP2", "DP2", "CP2")),
    ],
)
def test_a_resume_on_another_layout_continues_the_same_run(on_layout, tmp_path, step, name):
    config, run, overrides, _ = on_layout("untied", "TP2")
    fixed = [o for o in overrides if not o.startswith("parallel.")]
    count, layout = LAYOUTS[name]
    target = copy_until(run, tmp_path / "resumed", step)
    ranks.train(config, [*fixed, *layout, f"run.folder={target}"], count)
    for (loss, norm), (actual_loss, actual_norm) in zip(curve(run), curve(target), strict=True):
        assert actual_loss == pytest.approx(loss, abs=1e-5)
        assert actual_norm == pytest.approx(norm, rel=2e-4)


def copy_until(run: Path, target: Path, step: int) -> Path:
    """A copy of the run as a kill after the checkpoint of ``step`` leaves it."""
    shutil.copytree(run, target)
    for folder in checkpoints_of(target):
        if Checkpoint.read(folder).step > step:
            shutil.rmtree(folder)
    return target


# --- the boundary ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [
        ("fp32", []),
        *(
            pytest.param(dtype, layout, marks=pytest.mark.slow)
            for dtype, layout in (
                ("bf16", []),
                ("fp32", ["parallel.tensor=2"]),
                ("fp32", ["parallel.pipeline=2"]),
                ("bf16", ["parallel.pipeline=2", "model.tied_embeddings=true"]),
            )
        ),
    ],
)
def test_an_identity_boundary_changes_no_bit_and_frozen_parts_need_no_memory(tmp_path, dtype, layout):
    three = [
        {"name": "a", "steps": 2},
        {"name": "b", "steps": 2},
        {"name": "c", "steps": 2, "trains": {"layers": "odd"}},
    ]
    config = write_stages(tmp_path, three)
    checked = preflight([config], [f"precision.dtype={dtype}", *layout], 2)
    for through, without, full, freed, odd in ranks.on_ranks(2, _cross, checked):
        assert through == without and len(through) == 5
        if (dtype, layout) != ("fp32", []):
            continue
        # weights, gradients, half of the moments; then the weights alone; then 2 of 4 layers
        weights = 276_160 + 2 * 7 * 64
        layers = 2 * (64 * 128 + 64 * 64 + 3 * 64 * 128 + 2 * 64)
        assert full >= 4 * (weights * 3)
        assert freed < 4 * weights * 1.05 + 100_000
        assert odd < 4 * (weights + 2 * layers) * 1.1 + 200_000


def _cross(rank: int, init_method: str, checked) -> tuple:
    import torch

    from megatron_ko.training import boundary, distributed, model, step

    config = checked.config
    world = distributed.start(config.run, config.parallel, rank, 2, init_method)
    stages = [stage for stage, _ in checked.plan.stages]

    def batches(number: int):
        generator = torch.Generator().manual_seed(100 * number + rank % world.data_size)
        for _ in range(2):
            tokens = torch.randint(0, 1001, (2, 64), generator=generator)
            yield {
                "tokens": tokens, "labels": tokens.roll(-1, 1), "loss_mask": torch.ones(2, 64),
                "position_ids": torch.arange(64).expand(2, 64),
            }  # fmt: skip

    def train(cross: bool) -> tuple[list, list[int]]:
        gpt = model.build_gpt(
            config.model, config.parallel, config.precision, vocab_size=1001, device=world.device, seed=1
        )
        trainees: list = []
        trainees.append(boundary.enter(stages[0], 1001, gpt, trainees, world))
        losses, sizes = [], []
        for number in range(4):
            if cross and number == 2:
                trainees.append(boundary.enter(stages[1], 1001, gpt, trainees, world))
            result = step.train_step(trainees[-1], batches(number), world, stages[0].config.training, 2)
            losses.append((result.loss, result.gradient_norm))
        losses.append([float(p.detach().double().sum()) for p in gpt.parameters()])
        if not cross:
            sizes.append(storage_bytes())
            boundary._release(trainees, gpt)
            sizes.append(storage_bytes())
            trainees.append(boundary.enter(stages[2], 1001, gpt, trainees, world))
            step.train_step(trainees[-1], batches(9), world, stages[0].config.training, 2)
            sizes.append(storage_bytes())
        return losses, sizes

    without, sizes = train(False)
    through, _ = train(True)
    distributed.stop()
    return through, without, *sizes


def storage_bytes() -> int:
    """Bytes of all tensors of this process."""
    import gc

    import torch

    gc.collect()
    storages = {}
    for item in gc.get_objects():
        if type(item) in (torch.Tensor, torch.nn.Parameter):
            storage = item.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


# --- examples --------------------------------------------------------------------------------------------

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = {
    "eeve": ["eeve/train.yaml", "eeve/tiny.yaml"],
    "redwhale": ["redwhale/stages.yaml", "redwhale/stages_tiny.yaml"],
}


@pytest.mark.parametrize(
    ("name", "stages", "layout"),
    [
        ("eeve", 7, ["parallel.pipeline=2"]),  # in the second stage nothing trains on the first rank
        pytest.param("redwhale", 4, ["parallel.tensor=2"], marks=pytest.mark.slow),
    ],
)
@pytest.mark.any_core
def test_an_example_trains_a_few_steps_of_each_stage(tmp_path, name, stages, layout):
    manifest = write_tiny_data(tmp_path / "data")
    run = tmp_path / "run"
    files = [str(EXAMPLES / file) for file in FILES[name]]
    overrides = [f"data.manifest={manifest}", f"run.folder={run}", "model.vocab_size=1001", *layout]
    checked = preflight(files, overrides, 2)
    ranks.on_ranks(2, ranks._train, checked)
    assert [Checkpoint.read(folder).stage.number for folder in checkpoints_of(run)] == list(range(stages))  # type: ignore[union-attr]
    assert len(curve(run)) == checked.plan.steps == 2 * stages
    resumed = copy_until(run, tmp_path / "resumed", 4)  # the end of the second stage
    ranks.on_ranks(2, ranks._train, preflight(files, [*overrides, f"run.folder={resumed}"], 2))
    assert curve(resumed) == curve(run)


@pytest.mark.parametrize("name", FILES)
def test_an_example_plans_without_its_data_and_a_smaller_memory_per_stage(name):
    loaded = load_training([str(EXAMPLES / FILES[name][0])], [], layout_rules(8))
    plan = Plan.of(loaded.config, 8)
    whole = Plan.of(dataclasses.replace(loaded.config, stages=[StageConfig(name="whole", steps=1)]), 8)
    memory = [own.memory.total_bytes for _, own in plan.stages]
    assert max(map(len, plan.text().splitlines())) <= 100
    assert all(size < 0.65 * whole.memory.total_bytes for size in memory[: 6 if name == "eeve" else 4])
