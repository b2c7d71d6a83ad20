"""Packed sequences: attention within documents equals one document at a time, in every layout; labels; stretches; the plan."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from megatron_ko.config.loading import load
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.packing import PackingConfig
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig, RunConfig
from megatron_ko.errors import ConfigError
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.document_spans import mean_span
from megatron_ko.planning.flops import flops_per_token
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.stretch_order import order_stretches
from megatron_ko.preflight import preflight
from megatron_ko.training.documents import STARTS, Documents, Packing, attend_flat, carry, document_starts
from tests import ranks
from tests.megatron_ko.test_resume import same_tensors
from tests.run_records import records
from tests.tiny_run import write_tiny_run

EOD = 2
MODEL = ModelConfig(
    layers=2, hidden_size=48, ffn_hidden_size=96, heads=6, kv_groups=2, max_sequence_length=128, vocab_multiple=8
)  # fmt: skip
VOCAB, LENGTH = 97, 48


# --- samples -----------------------------------------------------------------------------------------------


def test_a_document_begins_after_each_eod_at_the_beginning_and_at_joints():
    tokens = torch.tensor([7, EOD, 8, 9, 7, EOD, EOD, 5])
    assert document_starts(tokens, EOD).tolist() == [0, 0, 2, 2, 2, 2, 6, 7]
    assert document_starts(tokens, EOD, [3, 6]).tolist() == [0, 0, 2, 3, 3, 3, 6, 7]


def test_samples_get_boundaries_positions_and_masks():
    tokens = torch.tensor([7, EOD, 8, 9])
    ones = torch.ones(4)
    sample = {"tokens": tokens, "labels": tokens, "loss_mask": ones, "position_ids": torch.arange(4)}
    packing = Packing.of(PackingConfig(attention="within_documents", label_at_eod="masked"), EOD)
    assert packing is not None
    packed = packing.complete(sample)
    assert packed[STARTS].tolist() == [0, 0, 2, 2]
    assert packed["position_ids"].tolist() == [0, 1, 0, 1]
    assert packed["loss_mask"].tolist() == [1, 0, 1, 1]
    assert ones.tolist() == [1, 1, 1, 1], "the data set shares the mask between samples"
    assert Packing.of(PackingConfig(), EOD) is None
    (masked,) = [Packing.of(PackingConfig(label_at_eod="masked"), EOD)]
    assert masked is not None and STARTS not in masked.complete(sample)


def test_stretches_change_sets_at_the_rate_and_keep_all():
    sources = [0] * 500 + [1] * 500

    def rate(changes: float) -> float:
        order = order_stretches(sources, changes, 1, "test")
        assert sorted(order) == list(range(1000))
        for source in (0, 1):
            own = [place for place in order if sources[place] == source]
            assert own == sorted(own)
        return float(np.mean(np.diff([sources[place] for place in order]) != 0))

    assert rate(0.0) == 1 / 999  # one change, from the first set to the second
    assert rate(1.0) >= 0.99
    assert rate(0.5) == pytest.approx(0.5, abs=0.08)


# --- one document at a time --------------------------------------------------------------------------------


def _packed_against_single_documents(rank: int, init_method: str) -> dict[str, float]:
    """Largest differences of losses, logits and gradients; of kernels for variable lengths from our attention."""
    from megatron_ko.training import distributed, model

    distributed.start(RunConfig(folder="unused", device="cpu"), ParallelConfig(), rank, 1, init_method)
    gpt = model.build_gpt(
        MODEL, ParallelConfig(), PrecisionConfig(dtype="fp32"), vocab_size=VOCAB, device=torch.device("cpu"), seed=3
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, VOCAB, (2, LENGTH), generator=generator)
    labels = torch.randint(0, VOCAB, (2, LENGTH), generator=generator)
    tokens[0, [9, 12, 13]] = EOD  # documents of 10, 3, 1 and 34 tokens
    starts = torch.stack([document_starts(tokens[0], EOD), document_starts(tokens[1], EOD, [20])])
    positions = torch.arange(LENGTH).expand(2, -1) - starts
    packed = {"packed_seq_params": carry(starts, 1, starts.device)}
    losses = gpt(tokens, positions, None, labels=labels, **packed)
    losses.sum().backward()
    gradients = {name: parameter.grad.clone() for name, parameter in gpt.named_parameters()}
    logits = gpt(tokens, positions, None, **packed).detach()
    gpt.zero_grad(set_to_none=True)
    documents = Documents(starts, starts.device)
    largest = {"loss": 0.0, "logits": 0.0}
    for row, spans in enumerate(documents.spans):
        for start, end in spans:
            own = tokens[row : row + 1, start:end], torch.arange(end - start)[None], None
            single = gpt(*own, labels=labels[row : row + 1, start:end])
            single.sum().backward()
            difference = (single - losses[row, start:end]).abs().max()
            largest["loss"] = max(largest["loss"], float(difference.detach()))
            difference = (gpt(*own).detach() - logits[row, start:end]).abs().max()
            largest["logits"] = max(largest["logits"], float(difference))
    largest["gradients"] = max(
        float((parameter.grad - gradients[name]).abs().max()) for name, parameter in gpt.named_parameters()
    )
    largest["flat"] = _flat_difference(gpt.decoder.layers[0].self_attention.core_attention, documents)
    distributed.stop()
    return largest


def _flat_difference(core, documents: Documents) -> float:
    """Our attention against ``attend_flat`` with a plain kernel of the format ``thd``."""
    generator = torch.Generator().manual_seed(2)
    query = torch.randn(LENGTH, 2, 6, 8, generator=generator)
    key, value = (torch.randn(LENGTH, 2, 2, 8, generator=generator) for _ in range(2))

    def plain(query: Tensor, key: Tensor, value: Tensor, parameters) -> Tensor:
        borders = parameters.cu_seqlens_q.tolist()
        assert parameters.qkv_format == "thd" and borders == [0, 10, 13, 14, 48, 68, 96]
        assert parameters.max_seqlen_q == 34 and query.shape == (96, 6, 8)
        result = []
        for start, end in zip(borders, borders[1:]):
            part = [t[start:end].transpose(0, 1) for t in (query, key, value)]
            scores = part[0] @ part[1].repeat_interleave(3, 0).transpose(1, 2) / 8**0.5
            ones = torch.ones(end - start, end - start, dtype=torch.bool)
            weights = scores.masked_fill(~ones.tril(), -torch.inf).softmax(-1)
            result.append((weights @ part[2].repeat_interleave(3, 0)).transpose(0, 1).flatten(1))
        return torch.cat(result)

    ours = core(query, key, value, packed_seq_params=carry(documents.starts, 1, documents.device))
    return float((attend_flat(plain, query, key, value, documents) - ours).abs().max())


@pytest.mark.ranks
def test_attention_within_documents_equals_one_document_at_a_time():
    (largest,) = ranks.on_ranks(1, _packed_against_single_documents)
    assert all(difference < 1e-5 for difference in largest.values()), largest


# --- layouts -----------------------------------------------------------------------------------------------

STEPS, HALF = 20, 10
FILL_IN = (
    "data.fill_in_the_middle={rates: {code: 0.5, ko: 0.2}, prefix_token: <s>, suffix_token: <pad>, "
    "middle_token: <unk>}"
)
PACKED = [
    "data.packing={attention: within_documents, label_at_eod: masked, stretches: 2, set_changes: 0.5}",
    FILL_IN, "training.sequence_length=128", f"training.steps={STEPS}", f"checkpoint.every_steps={HALF}",
    "evaluation.max_sequences=4", "training.global_batch_size=4", "model.layers=2",
]  # fmt: skip
LAYOUTS = {
    "CP2": (2, ["parallel.context=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2": (2, ["parallel.tensor=2"]),
    "DP2": (2, []),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "CP2 x TP2 with sequence parallel": (4, ["parallel.context=2", "parallel.tensor=2", "parallel.sequence=true"]),
    "CP2 x PP2": (4, ["parallel.context=2", "parallel.pipeline=2"]),
}  # fmt: skip


def curve(folder: Path) -> list[tuple[float, float]]:
    return [(r["loss"], r["gradient_norm"]) for r in records(folder, "train")]


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory) -> tuple[str, Path]:
    """A packed run on one rank: (configuration, run folder)."""
    folder = tmp_path_factory.mktemp("packed")
    config = write_tiny_run(folder)
    ranks.train(config, [*PACKED, f"run.folder={folder / 'one'}"])
    return config, folder / "one"


@pytest.mark.ranks
@pytest.mark.parametrize(
    "name",
    [name if name in ("CP2", "PP2") else pytest.param(name, marks=pytest.mark.slow) for name in LAYOUTS],
)
def test_layout_trains_packed_documents_like_one_rank(one_rank, tmp_path, name):
    config, expected = one_rank
    count, overrides = LAYOUTS[name]
    ranks.train(config, [*PACKED, *overrides, f"run.folder={tmp_path}"], count)
    pairs = list(zip(curve(tmp_path), curve(expected), strict=True))
    assert len(pairs) == STEPS
    for step, ((loss, norm), (expected_loss, expected_norm)) in enumerate(pairs, 1):
        assert loss == pytest.approx(expected_loss, abs=1e-5), f"loss of step {step}"
        assert norm == pytest.approx(expected_norm, rel=2e-4), f"gradient norm of step {step}"
    losses, expected_losses = (records(folder, "valid")[-1]["loss"] for folder in (tmp_path, expected))
    assert losses == pytest.approx(expected_losses, abs=1e-5)


@pytest.mark.ranks
def test_a_packed_run_resumes_bit_for_bit(one_rank, tmp_path):
    config, expected = one_rank
    run = tmp_path / "run"
    shutil.copytree(expected, run)
    shutil.rmtree(checkpoint_folder(run, STEPS))
    ranks.train(config, [*PACKED, f"run.folder={run}"])
    assert curve(run) == curve(expected)
    assert records(run, "valid")[-1]["loss"] == records(expected, "valid")[-1]["loss"]
    assert same_tensors(checkpoint_folder(run, STEPS), checkpoint_folder(expected, STEPS))


@pytest.mark.ranks
@pytest.mark.slow
def test_packing_in_the_order_of_megatron(tmp_path):
    """Boundaries come from the tokens, so that this order has them, too; masked labels and attention change the loss."""
    config = write_tiny_run(tmp_path)
    losses = {}
    for name, packing in (("plain", "{}"), ("packed", "{attention: within_documents, label_at_eod: masked}")):
        fixed = [f"data.packing={packing}", "data.order=megatron", "training.steps=2", "schedule={type: constant}"]  # fmt: skip
        ranks.train(config, [*fixed, f"run.folder={tmp_path / name}"])
        losses[name] = [loss for loss, _ in curve(tmp_path / name)]
    assert losses["packed"] != losses["plain"]
    assert losses["packed"] == pytest.approx(losses["plain"], abs=0.2)


# --- rules and the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides, path, rule",
    [
        (["data.order=megatron", "data.packing.stretches=2"], "data.packing.stretches", "packing-needs-windows"),
        (["data.order=megatron", FILL_IN], "data.fill_in_the_middle", "packing-needs-windows"),
        (["data.packing.set_changes=0.5"], "data.packing.set_changes", "set-changes-need-stretches"),
        (["data.packing.stretches=3"], "training.sequence_length", "stretches-divide-sequence"),
        (["data.fill_in_the_middle={rates: {ko: 1.0}, suffix_token: <s>, prefix_token: <s>}"],
         "data.fill_in_the_middle.suffix_token", "sentinels-differ"),
        (["data.packing.attention=within_documents", "speed.cuda_graphs=layers", "run.device=cuda"],
         "speed.cuda_graphs", "no-cuda-graphs-of-documents"),
    ],
)  # fmt: skip
def test_impossible_packing_is_refused(tmp_path, overrides, path, rule):
    config = write_tiny_run(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(Config, [config], overrides, layout_rules(1))
    assert [(problem.path, problem.rule) for problem in caught.value.problems] == [(path, rule)]


@pytest.mark.parametrize(
    "fill_in, path, rule",
    [
        ("{rates: {js: 0.5}, prefix_token: <s>, suffix_token: <pad>, middle_token: <unk>}", "rates.js", "unknown-set"),
        ("{rates: {ko: 0.5}, prefix_token: <s>, suffix_token: <pad>, middle_token: <mid>}", "middle_token", "not-a-special-token"),
        ("{rates: {ko: 0.5}, prefix_token: <s>, suffix_token: w9, middle_token: <unk>}", "suffix_token", "not-a-special-token"),
        ("{rates: {ko: 0.5}, prefix_token: </s>, suffix_token: <s>, middle_token: <unk>}", "prefix_token", "special-token-is-eod"),
    ],
)  # fmt: skip
def test_sets_and_special_tokens_are_checked_before_the_start(tmp_path, fill_in, path, rule):
    config = write_tiny_run(tmp_path)
    with pytest.raises(ConfigError) as caught:
        preflight([config], [f"data.fill_in_the_middle={fill_in}"], 1)
    problems = [(problem.path, problem.rule) for problem in caught.value.problems]
    assert problems == [(f"data.fill_in_the_middle.{path}", rule)]


@pytest.mark.parametrize("window", [1, 5, 16, 100])
def test_mean_span_is_that_of_windows_cut_at_every_place(window):
    lengths = [1, 2, 7, 16, 33, 90]
    pairs = 0
    for length in lengths:
        for first_cut in range(window):
            places = [0, *range(first_cut, length, window), length]
            pairs += sum((end - start) ** 2 for start, end in zip(places, places[1:]))
    assert mean_span(lengths, window) == pytest.approx(pairs / window / sum(lengths))


def test_the_plan_counts_attention_within_documents(tmp_path):
    config = write_tiny_run(tmp_path)
    plain, packed = (preflight([config], overrides, 1) for overrides in ([], PACKED))
    assert plain.plan.document_span is None
    span, length = packed.plan.document_span, 128
    assert span is not None and 30 < span < length / 2  # two stretches
    model, padded = packed.config.model, packed.plan.padded_vocab_size
    assert packed.plan.flops_per_token == flops_per_token(model, padded, span)
    lines = [line for line in packed.plan.text().splitlines() if line.startswith("packing")]
    assert len(lines) == 1 and f"{span:,.1f}" in lines[0]
    without_data = Plan.of(load(Config, [config], [*PACKED, "model.vocab_size=1001"]).config, 1)
    assert without_data.document_span is None
    assert without_data.flops_per_token == flops_per_token(model, padded, length)
