"""Importance scores: equal to plain torch on one rank, and to one rank in every layout; errors before anything starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from checkpoint_tools.formats.mcore import open_mcore
from checkpoint_tools.pruning.scores_file import Aggregation, read_scores
from megatron_ko import importance
from megatron_ko.errors import UserError
from megatron_ko.formats.importance_record import BLOCK_INFLUENCE, LEFT_OUT_LOSS
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.megatron_ko.test_parallel import MODELS
from tests.tiny_run import write_tiny_run

SAMPLES = 8
LAYOUTS = {
    "TP2": (2, ["parallel.tensor=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "DP2": (2, []),
    "CP2": (2, ["parallel.context=2"]),
    "TP2 x PP2 with sequence parallel": (
        4,
        ["parallel.tensor=2", "parallel.sequence=true", "parallel.pipeline=2"],
    ),
    "virtual pipeline": (2, ["parallel.pipeline=2", "parallel.virtual_pipeline=2"]),
}
SLOW = ("TP2 x PP2 with sequence parallel", "virtual pipeline")
MANY = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in LAYOUTS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> str:
    """The configuration of a run with one checkpoint."""
    folder = tmp_path_factory.mktemp("importance")
    config = write_tiny_run(folder)
    ranks.train(config, ["training.steps=5", "evaluation.max_sequences=2"])
    return config


def _measure(rank: int, init_method: str, checked: Preflight, request: importance.Request) -> int:
    return importance.measure(checked, request, rank, init_method)


def measure(
    config: str, out: Path, overrides: list[str], size: int = 1, leave_out: bool = True
) -> dict[str, Tensor]:
    request = importance.Request(out, SAMPLES, leave_out)
    overrides = ["training.steps=5", *overrides]
    checked = importance.check(preflight([config], overrides, size), request, size)
    assert ranks.on_ranks(size, _measure, checked, request) == [0] * size
    return load_file(out)


@pytest.fixture(scope="module")
def one_rank(trained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("scores") / "one.safetensors"
    measure(trained, out, [])
    return out


@pytest.mark.parametrize("layout", MANY)
def test_every_layout_scores_like_one_rank(trained, one_rank, tmp_path, layout):
    size, overrides = LAYOUTS[layout]
    expected, scores = load_file(one_rank), measure(trained, tmp_path / "s.safetensors", overrides, size)
    assert scores.keys() == expected.keys()
    for name, values in scores.items():
        torch.testing.assert_close(values, expected[name], rtol=1e-5, atol=2e-6)
    assert (
        read_scores(tmp_path / "s.safetensors").record.fingerprint == read_scores(one_rank).record.fingerprint
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", ["GPT-NeoX", "Phi", "Gemma 2"])
def test_other_layers_are_read_at_the_same_places(tmp_path, family):
    """Layers of our own, without a gate and with other norms: two ranks score like one; scores have every site."""
    config = write_tiny_run(tmp_path)
    overrides = [*MODELS[family], "evaluation.max_sequences=2"]
    ranks.train(config, ["training.steps=5", *overrides])
    expected = measure(config, tmp_path / "one.safetensors", overrides)
    both = ["parallel.tensor=2", "parallel.sequence=true"]
    scores = measure(config, tmp_path / "two.safetensors", [*overrides, *both], 2)
    assert any(name.startswith("gate_up") for name in scores) == (family == "Gemma 2")
    for name, values in scores.items():
        torch.testing.assert_close(values, expected[name], rtol=2e-5, atol=5e-6)


# --- against transformers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(trained, one_rank) -> dict[str, Tensor]:
    """Activations of the same samples by transformers, by place: [layers, samples, positions, channels]."""
    from checkpoint_tools.verify import _load_as_another_family
    from megatron_ko.training import data

    checked = preflight([trained], ["training.steps=5"], 1)
    order = data.order_samples(0, SAMPLES, checked.config, checked.manifest, {}, cache=Path("unused"))
    samples = [order.dataset[number] for number in range(SAMPLES)]
    tokens = torch.stack([torch.as_tensor(sample["tokens"]) for sample in samples])
    assert checked.start is not None
    model = _load_as_another_family(open_mcore(checked.start.folder))
    seen: dict[str, list[Tensor]] = {}

    def note(name: str, value: Tensor) -> None:
        seen.setdefault(name, []).append(value.detach())

    for layer in model.model.layers:
        layer.self_attn.q_proj.register_forward_pre_hook(lambda _, inputs: note("attention_input", inputs[0]))
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, inputs: note("heads", inputs[0]))
        layer.mlp.up_proj.register_forward_pre_hook(lambda _, inputs: note("mlp_input", inputs[0]))
        layer.mlp.gate_proj.register_forward_hook(lambda _, inputs, output: note("gate", output))
        layer.mlp.up_proj.register_forward_hook(lambda _, inputs, output: note("up", output))
        layer.mlp.down_proj.register_forward_pre_hook(lambda _, inputs: note("product", inputs[0]))
    with torch.no_grad():
        output = model(tokens, output_hidden_states=True)
        labels = torch.stack([torch.as_tensor(sample["labels"]) for sample in samples])
        losses = [torch.nn.functional.cross_entropy(output.logits.flatten(0, 1), labels.flatten())]
        kept = {name: torch.stack(values) for name, values in seen.items()}
        for number in range(len(model.model.layers)):
            layers = model.model.layers
            model.model.layers = torch.nn.ModuleList(one for i, one in enumerate(layers) if i != number)
            logits = model(tokens, use_cache=False).logits
            losses.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))
            model.model.layers = layers
        # transformers norms the last of the hidden states; this hook has the one before
        model.model.norm.register_forward_pre_hook(lambda _, inputs: note("last", inputs[0]))
        model(tokens)
    hidden = [*output.hidden_states[:-1], *seen["last"]]
    return kept | {"hidden": torch.stack(hidden), "losses": torch.stack(losses)}


def test_scores_are_those_of_plain_activations(one_rank, plain):
    scores = load_file(one_rank)
    plain = {**plain, "gate_up": (plain["gate"].abs() + plain["up"].abs()) / 2}
    for site in ("attention_input", "mlp_input", "gate_up", "product", "heads"):
        means, norms = plain[site].abs().mean(2), plain[site].square().sum(2).sqrt()
        for name, values in (("mean", means), ("l2", norms)):
            expected = {"mean": values.mean(1), "l2": values.square().sum(1).sqrt()}
            for batch, value in expected.items():
                actual = scores[f"{site}.sequence_{name}.batch_{batch}"]
                torch.testing.assert_close(actual, value, rtol=2e-5, atol=1e-6)


def test_block_influence_and_the_loss_without_a_layer(one_rank, plain):
    scores, hidden = load_file(one_rank), plain["hidden"]
    cosines = torch.nn.functional.cosine_similarity(hidden[:-1], hidden[1:], dim=-1)
    torch.testing.assert_close(scores[BLOCK_INFLUENCE], 1 - cosines.mean((1, 2)), rtol=1e-4, atol=1e-6)
    losses = plain["losses"]
    assert read_scores(one_rank).record.loss == pytest.approx(float(losses[0]), abs=2e-6)
    torch.testing.assert_close(scores[LEFT_OUT_LOSS], losses[1:] - losses[0], rtol=0, atol=5e-6)


def test_aggregations_are_those_of_the_paper(one_rank, plain):
    """Row by row of Kanana's table: what is summed over what."""
    scores, inputs = read_scores(one_rank), ("attention_input", "mlp_input")
    by_layer = sum(plain[site].abs().mean(2).square().sum(1).sqrt() for site in inputs)
    assert isinstance(by_layer, Tensor)
    torch.testing.assert_close(scores.hidden(Aggregation()).float(), by_layer.sum(0), rtol=2e-5, atol=1e-6)
    first = scores.hidden(Aggregation(layer_sum=False)).float()
    torch.testing.assert_close(first, by_layer[0], rtol=2e-5, atol=1e-6)
    heads = plain["heads"].abs().mean(2).square().sum(1).sqrt().unflatten(-1, (4, 16)).norm(dim=-1)
    torch.testing.assert_close(scores.heads(Aggregation()).float(), heads, rtol=2e-5, atol=1e-6)


# --- what is refused -------------------------------------------------------------------------------------


def _problems(config: str, overrides: list[str], **changes) -> Iterator[tuple[str, str]]:
    request = importance.Request(
        **{"out": Path("s.safetensors"), "samples": SAMPLES, "leave_out": False, **changes}
    )
    with pytest.raises(UserError) as caught:
        importance.check(preflight([config], ["training.steps=5", *overrides], 1), request, 1)
    return ((problem.path, problem.rule) for problem in caught.value.problems)


def test_what_cannot_be_measured_is_refused_before_anything_starts(trained, tmp_path):
    assert list(_problems(trained, [f"run.folder={tmp_path / 'new'}"])) == [
        ("checkpoint.initial_weights", "no-weights")
    ]
    assert list(_problems(trained, [], samples=7)) == [("--samples", "samples-do-not-divide")]
    assert list(_problems(trained, [], out=Path("scores.json"))) == [("--out", "wrong-name")]


def test_a_damaged_file_of_scores_is_refused(one_rank, tmp_path):
    from safetensors.torch import save_file

    def refuse(path: Path) -> str | None:
        with pytest.raises(UserError) as caught:
            read_scores(path)
        return caught.value.rule

    scores, record = read_scores(one_rank).tensors, read_scores(one_rank).record
    copy = tmp_path / "copy.safetensors"
    assert refuse(copy) == "missing-scores"
    copy.write_bytes(one_rank.read_bytes()[:-10])
    assert refuse(copy) == "unreadable-scores"
    save_file(dict(scores), copy)
    assert refuse(copy) == "not-importance-scores"
    save_file(
        {name: value for name, value in scores.items() if name != BLOCK_INFLUENCE}, copy, record.metadata()
    )
    assert refuse(copy) == "scores-do-not-match"
    save_file({**scores, BLOCK_INFLUENCE: scores[BLOCK_INFLUENCE] * float("nan")}, copy, record.metadata())
    assert refuse(copy) == "scores-not-finite"


def test_the_command_writes_and_prints(trained, tmp_path, capfd):
    out = tmp_path / "scores.safetensors"
    words = [trained, "training.steps=5", "--out", str(out), "--samples", "4"]
    assert importance.main(words) == 0
    printed = capfd.readouterr().out
    assert "importance on 4 samples of 64 tokens" in printed and f"wrote {out}" in printed
    assert not read_scores(out).record.left_out
    assert all(len(line) <= 80 for line in printed.splitlines() if "/" not in line)


def test_from_a_hugging_face_folder_to_a_smaller_one(trained, tmp_path, capfd):
    """Scores of initial weights belong to the folder that they came from; text is scored before and after."""
    from checkpoint_tools.__main__ import main
    from checkpoint_tools.formats.hf import open_hf
    from megatron_ko.planning.weights import parameter_count

    run, scores, text = Path(trained).parent / "run", tmp_path / "scores.safetensors", tmp_path / "text.txt"
    assert main(["to-hf", str(run), str(tmp_path / "hf")]) == 0
    names = ("model.from", "checkpoint.initial_weights")
    weights = [f"run.folder={tmp_path / 'scoring'}", *(f"{name}={tmp_path / 'hf'}" for name in names)]
    assert importance.main([trained, *weights, "--out", str(scores), "--samples", "8"]) == 0
    text.write_text(" ".join(f"w{number}" for number in range(10, 300, 3)))
    words = [str(tmp_path / "hf"), str(tmp_path / "small"), "--scores", str(scores)]
    assert main(["prune", *words, "--parameters", "150000", "--text", str(text)]) == 0
    small = open_hf(tmp_path / "small")
    count = parameter_count(small.model, small.vocab_size)
    printed = capfd.readouterr().out
    assert count <= 150_000 and f"{count:,}" in printed and "bits/byte before" in printed
    record = json.loads((tmp_path / "small" / "operations.json").read_text())["operations"][0]
    assert record["texts"][0]["after"]["loss"] > 0 and record["scores"]["samples"] == 8
