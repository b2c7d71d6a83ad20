"""Expanding a vocabulary: a Store with rows for the tokens of a larger tokenizer.

Owns what is expanded (every matrix with a row per token), the checks that both tokenizers fit the checkpoint, and
the new Store. ``initializations`` makes the rows, ``judging`` scores them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from checkpoint_tools.embeddings.initializations import (
    METHODS,
    Combination,
    Rows,
    combinations_of,
    tied_methods,
)
from checkpoint_tools.embeddings.pieces import (
    FolderVocabulary,
    check_extends,
    decompose,
    read_vocabulary,
    shown,
)
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.tokenizer_files import info_of
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.planning.weights import input_weight


@dataclass(frozen=True)
class Expansion:
    """Two tokenizers that fit, the decomposition of the new tokens, and what makes their rows."""

    old: FolderVocabulary
    new: FolderVocabulary
    pieces: list[list[int]]
    rows: Rows

    @property
    def kept(self) -> int:
        """Rows that stay: real old tokens. Padding rows of a Hugging Face embedding are not tokens."""
        return self.old.size

    def summary(self) -> str:
        """One line about the pieces, with the longest decomposition as an example."""
        cut = [row for row in self.pieces if row]
        uncut = len(self.pieces) - len(cut)
        text = f"{len(self.pieces):,} new tokens"
        if cut:
            text += f", {sum(map(len, cut)) / len(cut):.2f} old pieces each"
            longest = max(range(len(self.pieces)), key=lambda i: len(self.pieces[i]))
            example = shown(self.new, [self.kept + longest]), shown(self.old, self.pieces[longest])
            text += f" (longest: {example[0]} = {example[1]})"
        if uncut:
            text += (
                f"; {uncut:,} cannot be cut (special tokens, unknown letters) and take the mean of all rows"
            )
        return text


def plan_expansion(source: Store, tokenizer: Path, seed: int, random_std: float | None = None) -> Expansion:
    """Raises CheckpointError or DataError when the checkpoint, its tokenizer and the new one do not belong together."""
    old = vocabulary_of(source)
    new = read_vocabulary(tokenizer)
    check_extends(old, new)
    if new.size == old.size:
        raise CheckpointError(f"{tokenizer}: is as large as the old tokenizer; there is nothing to expand")
    used = torch.tensor([i for i, piece in enumerate(old.names) if piece is not None], dtype=torch.int64)
    pieces = decompose(old, new)
    rows = Rows(len(pieces), used, combinations_of(pieces, old.sizes), seed, random_std)
    return Expansion(old, new, pieces, rows)


def with_similar(plan: Expansion, similar: Combination) -> Expansion:
    """The same expansion with the weights of ``focus``."""
    return replace(plan, rows=replace(plan.rows, combinations={**plan.rows.combinations, "similar": similar}))


def vocabulary_of(source: Store) -> FolderVocabulary:
    """The tokenizer that the checkpoint was trained with. Raises CheckpointError when it is absent or another one."""
    if source.tokenizer is None:
        raise CheckpointError(
            f"{source.origin}: has no tokenizer, so the meaning of its rows is unknown; put its tokenizer.json into it"
        )
    recorded = source.tokenizer_fingerprint
    info = info_of(source.tokenizer, recorded)
    assert info is not None
    if recorded is not None and info.fingerprint != recorded:
        raise CheckpointError(
            f"{source.tokenizer}: has the fingerprint {info.fingerprint}, but the checkpoint was trained with "
            f"{recorded}; put that tokenizer back"
        )
    if info.vocab_size > source.vocab_size:
        raise CheckpointError(
            f"{source.origin}: its tokenizer has {info.vocab_size:,} tokens, its embedding {source.vocab_size:,} rows; "
            "every token needs a row, so the tokenizer is of another model"
        )
    return read_vocabulary(source.tokenizer)


def possible(source: Store, plan: Expansion, names: Sequence[str]) -> list[str]:
    """Of ``names`` those that can be made here: tied embeddings need one rule, ``focus`` needs its text."""
    tied = tied_methods()
    return [
        name
        for name in names
        if (name in tied or not source.model.tied_embeddings)
        and ("similar" in plan.rows.combinations or METHODS[name].input != "similar")
    ]


def check_possible(source: Store, plan: Expansion, name: str) -> None:
    """Raises ConfigError saying why ``name`` cannot be made of this checkpoint."""
    if source.model.tied_embeddings and name not in tied_methods():
        raise ConfigError(
            f"init={name}: gives input and output rows different values, but in {source.origin} they are one matrix "
            f"(tied embeddings); choose {', '.join(tied_methods())}"
        )
    if not possible(source, plan, [name]):
        raise ConfigError(
            f"init={name}: learns from text how tokens are used; give focus_text=FILE (text like that of training)"
        )


def expand_vocab(source: Store, plan: Expansion, name: str) -> Store:
    """The Store with rows for the new tokens. Old rows and all other weights are those of ``source``, bit for bit.

    A tied matrix is treated once, and serves as input and output. Padding after the old tokens is left behind.
    """
    check_possible(source, plan, name)

    def expanded(weight: str, tensor: Tensor) -> Tensor:
        rule = METHODS[name].input if weight == input_weight().name else METHODS[name].output
        real = tensor[: plan.kept]
        return torch.cat([real, plan.rows.make(weight, real, rule)])

    return with_vocabulary(source, plan.new, expanded)


def with_vocabulary(source: Store, new: FolderVocabulary, rows: Callable[[str, Tensor], Tensor]) -> Store:
    """The Store for another tokenizer: ``rows(weight, tensor)`` of every matrix with a row per token."""
    size = new.size

    names = source.names_with_row_per_token()

    def read(weight: str) -> Tensor:
        tensor = source.tensor(weight)
        return rows(weight, tensor) if weight in names else tensor

    return replace(
        source,
        model=replace(source.model, vocab_size=size),
        vocab_size=size,
        read=read,
        tokenizer=new.folder,
        tokenizer_fingerprint=new.info.fingerprint,
    )
