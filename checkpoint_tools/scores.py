"""Loss and next-token accuracy of a text, computed batch by batch.

Owns arithmetic only; the logits come from ``verify`` (transformers) or ``formats/mcore`` (megatron-core).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
BATCH_TOKENS = 2048
"""Tokens that the model processes at one time; their fp32 logits are the largest tensor."""


@dataclass(frozen=True)
class Stream:
    """One text as ``inputs`` and ``targets`` [rows, length] int64: every token of the text is a target once.

    Targets are IGNORED for padding and between documents. ``text_bytes`` is the UTF-8 size of the text.
    """

    inputs: Tensor
    targets: Tensor
    text_bytes: int

    @property
    def tokens(self) -> int:
        return int((self.targets != IGNORED).sum())


def stream_of(documents: Sequence[Sequence[int]], separator: int, length: int, text_bytes: int) -> Stream:
    """Concatenates documents, each after ``separator``, and cuts them into rows of ``length`` tokens."""
    ids = [number for document in documents for number in (separator, *document)]
    starts = [True, *[False] * len(documents[0])]
    for document in documents[1:]:
        starts += [True, *[False] * len(document)]
    targets = [IGNORED if start else number for start, number in zip(starts[1:], ids[1:])]
    padding = -len(targets) % length
    inputs = torch.tensor(ids[:-1] + [separator] * padding, dtype=torch.int64)
    return Stream(
        inputs.reshape(-1, length),
        torch.tensor(targets + [IGNORED] * padding, dtype=torch.int64).reshape(-1, length),
        text_bytes,
    )


@dataclass(frozen=True)
class Scores:
    """Sums over the targets: ``loss`` in nats, ``hits`` targets that the model ranks first."""

    loss: float
    hits: int
    tokens: int
    text_bytes: int

    @property
    def mean_loss(self) -> float:
        return self.loss / self.tokens

    @property
    def accuracy(self) -> float:
        return self.hits / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Comparable between tokenizers, unlike the loss per token."""
        return self.loss / math.log(2) / self.text_bytes


def score(stream: Stream, logits_of: Callable[[Tensor], Tensor]) -> Scores:
    """Sums loss and hits without gradients; ``logits_of`` maps ids [batch, length] to logits [batch, length, vocab]."""
    loss, hits = 0.0, 0
    rows = max(BATCH_TOKENS // stream.inputs.shape[1], 1)
    with torch.no_grad():
        for inputs, targets in zip(stream.inputs.split(rows), stream.targets.split(rows)):
            logits = logits_of(inputs).float().flatten(0, 1)
            flat = targets.flatten()
            each = torch.nn.functional.cross_entropy(logits, flat, ignore_index=IGNORED, reduction="none")
            loss += each.double().sum().item()
            hits += int((logits.argmax(-1) == flat).sum())
    return Scores(loss, hits, stream.tokens, stream.text_bytes)
