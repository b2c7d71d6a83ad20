"""Rules over ``data.packing`` and ``data.fill_in_the_middle``, checked before anything starts. No torch, no numpy.

Owns which special tokens of a tokenizer fill-in-the-middle may use, and their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from megatron_ko.config.loading import Rule
from megatron_ko.config.packing import FillInTheMiddleConfig
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import DataConfig, TrainingConfig
from megatron_ko.files import read_json
from megatron_ko.planning import stages

if TYPE_CHECKING:  # no rule of a configuration reads files
    from megatron_ko.formats.manifest import Manifest

Problems = Iterator[tuple[str, str]]
SENTINELS = ("prefix_token", "suffix_token", "middle_token")


def _packing_needs_windows(data: DataConfig) -> Problems:
    if data.order == "windows":
        return
    remedy = f"needs data.order: windows, but it is {data.order}; set it, or remove"
    if data.packing.stretches > 1:
        yield "data.packing.stretches", f"{data.packing.stretches} {remedy} stretches"
    if data.fill_in_the_middle is not None:
        yield "data.fill_in_the_middle", f"{remedy} the section"


def _set_changes_need_stretches(data: DataConfig) -> Problems:
    packing = data.packing
    if packing.set_changes is not None and packing.stretches == 1:
        yield (
            "data.packing.set_changes",
            f"{packing.set_changes:g} needs data.packing.stretches above 1, because a sequence of one stretch has one set; raise "
            "stretches, or remove set_changes",
        )


def _stretches_divide_sequence(training: TrainingConfig, data: DataConfig) -> Problems:
    stretches = data.packing.stretches
    if training.sequence_length % stretches:
        yield (
            "training.sequence_length",
            f"{training.sequence_length} must be a multiple of data.packing.stretches {stretches}, which are equally long; change "
            "either",
        )


def _sentinels_differ(data: DataConfig) -> Problems:
    fill_in = data.fill_in_the_middle
    if fill_in is None:
        return
    names = [getattr(fill_in, field) for field in SENTINELS]
    for number, (field, name) in enumerate(zip(SENTINELS, names)):
        if name in names[:number]:
            path = f"data.fill_in_the_middle.{field}"
            yield path, f"{name!r} is also {SENTINELS[names.index(name)]}; name three different tokens"


def _no_cuda_graphs_of_documents(data: DataConfig, speed: SpeedConfig) -> Problems:
    if data.packing.attention == "within_documents" and speed.cuda_graphs != "none":
        yield (
            "speed.cuda_graphs",
            f"{speed.cuda_graphs} cannot be combined with data.packing.attention within_documents, whose boundaries differ in each "
            "micro-batch; remove one of them",
        )


PACKING_RULES = (
    Rule(("data",), _packing_needs_windows),
    Rule(("data",), _set_changes_need_stretches),
    Rule(("data",), _sentinels_differ),
    Rule(("data", "speed"), _no_cuda_graphs_of_documents),
    Rule(("training", "data"), _stretches_divide_sequence),
    Rule(
        ("stages", "training", "schedule", "data"),
        stages.in_each_stage(_stretches_divide_sequence, ("training", "data")),
    ),
)


def fill_in_problems(
    fill_in: FillInTheMiddleConfig | None, manifest: Manifest
) -> Iterator[tuple[str, str, str]]:
    """Yields ``(path, message, rule)`` for sets and special tokens that the data or its tokenizer does not have."""
    if fill_in is None:
        return
    train = manifest.of_split("train")
    for name in fill_in.rates:
        if name not in train:
            yield (
                f"data.fill_in_the_middle.rates.{name}",
                f"is not a training set of {manifest.path}; use one of {', '.join(sorted(train))}",
                "unknown-set",
            )
    ids, special = _special_tokens(manifest)
    for field in SENTINELS:
        token, path = getattr(fill_in, field), f"data.fill_in_the_middle.{field}"
        if token not in special:
            state = "an ordinary token, to which text may be encoded" if token in ids else "not a token"
            yield (
                path,
                f"{token!r} is {state} of {manifest.tokenizer_folder}, but must be one of its special tokens ({', '.join(special)}); "
                "name one, or train or extend the tokenizer with special_tokens and encode again",
                "not-a-special-token",
            )
        elif ids[token] == manifest.eod_id:
            yield (
                path,
                f"{token!r} is the end-of-document token of the data; name another special token",
                "special-token-is-eod",
            )


def sentinel_ids(fill_in: FillInTheMiddleConfig, manifest: Manifest) -> tuple[int, int, int]:
    """Ids of the tokens before prefix, suffix and middle. ``fill_in_problems`` has checked them."""
    ids, _ = _special_tokens(manifest)
    prefix, suffix, middle = (ids[getattr(fill_in, field)] for field in SENTINELS)
    return prefix, suffix, middle


def _special_tokens(manifest: Manifest) -> tuple[dict[str, int], list[str]]:
    """Ids by token, and the tokens to which text is never encoded."""
    from megatron_ko.formats.tokenizer_json import tokens_in

    folder = manifest.tokenizer_folder
    description = read_json(folder / "tokenizer.json")
    ids = tokens_in(description, folder)
    added = description.get("added_tokens") or ()
    return ids, [token["content"] for token in added if token.get("special")]
