"""A teacher that fewer tensor-parallel ranks split than the student: like one rank in every layout, its memory, and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from megatron_ko.errors import ConfigError
from megatron_ko.planning.weights import padded_vocab_size, parameter_count
from megatron_ko.preflight import preflight
from tests import ranks
from tests.megatron_ko import test_distillation, test_hidden_states
from tests.megatron_ko.test_distillation import folder, refused, runs_on_one_rank, write_run  # noqa: F401

pytestmark = pytest.mark.ranks
FIELD = "distillation.teacher_tensor"
LOSSES: dict[str, dict[str, Any]] = {
    "cosine": test_hidden_states.COSINE,
    "top-k": test_distillation.LOSSES["top-k"],
}
LAYOUTS: dict[str, tuple[int, list[str]]] = {
    "TP2": (2, ["parallel.tensor=2"]),
    "TP2 x DP2": (4, ["parallel.tensor=2"]),
    "TP2 x CP2": (4, ["parallel.tensor=2", "parallel.context=2"]),
}


def assert_same_curves(loss: str, actual, expected) -> None:
    compare = test_hidden_states if loss == "cosine" else test_distillation
    compare.assert_same_curves(actual, expected)


@pytest.fixture(scope="module")
def one_rank(folder, tmp_path_factory):  # noqa: F811
    return runs_on_one_rank(folder, LOSSES, tmp_path_factory)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_whole_teacher_beside_a_split_student_trains_like_one_rank(one_rank, tmp_path, loss, layout):
    config, expected = one_rank(loss)
    count, overrides = LAYOUTS[layout]
    ranks.train(config, [*overrides, f"{FIELD}=1", f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curves(loss, tmp_path / "run", expected)


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["parallel.sequence=true"]])
def test_two_ranks_split_a_teacher_that_four_cannot(folder, tmp_path, more):  # noqa: F811
    """The teacher has six heads and two KV groups, the student four of both."""
    config = write_run(folder, tmp_path / "one", LOSSES["cosine"])
    student = ["model.kv_groups=4", f"run.folder={tmp_path / 'one'}"]
    ranks.train(config, student)
    four = [*student[:1], "parallel.tensor=4", *more, f"run.folder={tmp_path / 'run'}"]
    assert refused(config, four, 4) == {("distillation.teacher", "teacher-split")}
    ranks.train(config, [*four, f"{FIELD}=2"], 4)
    assert_same_curves("cosine", tmp_path / "run", tmp_path / "one")


def test_the_plan_counts_whole_weights(folder, tmp_path):  # noqa: F811
    config = write_run(folder, tmp_path / "run", {})
    two = ["parallel.tensor=2"]
    split, whole = (preflight([config], [*two, *more], 2).plan for more in ([], [f"{FIELD}=1"]))
    teacher = preflight([config], [], 1).teachers[str(folder / "teacher")].model
    assert whole.memory.teacher_bytes == 4 * parameter_count(teacher, padded_vocab_size(1001, 8))
    assert split.memory.teacher_bytes < 0.6 * whole.memory.teacher_bytes
    # the logits of a micro-batch of 32 tokens, and this rank's half of them
    logits = 32 * padded_vocab_size(1001, 8) * 4
    assert whole.memory.activations_bytes == max(split.memory.activations_bytes, logits + logits // 2)
    assert whole.flops_per_token == split.flops_per_token
    lines = [
        [line for line in plan.text().splitlines() if "tensor-parallel" in line] for plan in (split, whole)
    ]
    assert [len(found) for found in lines] == [0, 1]


def test_ranks_of_the_teacher_are_some_of_the_students(folder, tmp_path):  # noqa: F811
    config = write_run(folder, tmp_path / "run", {})
    assert refused(config, [f"{FIELD}=2"]) == {(FIELD, "teacher-splits")}
    stages = "stages=[{name: a, steps: 2, distillation: {teacher_tensor: 3}}]"
    with pytest.raises(ConfigError) as error:
        preflight([config], ["parallel.tensor=2", "training.steps=none", stages], 2)
    assert [(p.path, p.rule) for p in error.value.problems] == [
        ("stages.0.distillation.teacher_tensor", "teacher-splits")
    ]
