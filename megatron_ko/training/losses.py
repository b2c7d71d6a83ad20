"""The loss of a run, an object that the configuration chooses: it calls the model and sums what the step minimizes.

A loss has ``names`` (of the sums it reports; the first is ``loss``, the cross-entropy) and ``forward``. ``distillation`` has the loss
of a stage with a teacher. The parts of a loss are sums over the real tokens of a micro-batch; ``step`` divides them once by the number of tokens of all ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from megatron_ko.config.training import LossConfig
from megatron_ko.training.data import Batch
from megatron_ko.training.documents import STARTS, carry
from megatron_ko.training.model import unwrap
from megatron_ko.training.vocabulary import cross_entropy_and_log_sum, token_losses

Sums = tuple[Tensor, Tensor, dict[str, Tensor]]
"""The sum to minimize, the number of real tokens (int32), and ``totals``: float64, one of each name, then the tokens."""


class Loss(Protocol):
    """What ``step`` needs of a loss."""

    @property
    def names(self) -> tuple[str, ...]: ...
    def beside(self, gpt: Any) -> tuple[int, int]:
        """Widths of what this pipeline stage receives and sends beside the model's hidden states; 0 for nothing."""
        ...

    def projections(self, gpt: Any) -> dict[str, tuple[int, int]]:
        """Shapes of the matrices that train with the model for the loss, by name (``hidden_states.set_projections``)."""
        ...

    def forward(self, batch: Batch, model: Any) -> tuple[Tensor, Callable[[Tensor], Sums]]:
        """This pipeline stage's output of ``model``, and the function that sums it on the last stage. Collective."""
        ...


class _OfTheModelAlone:
    """A loss that needs nothing beside the model."""

    def beside(self, gpt: Any) -> tuple[int, int]:
        return 0, 0

    def projections(self, gpt: Any) -> dict[str, tuple[int, int]]:
        return {}


@dataclass(frozen=True)
class CrossEntropy(_OfTheModelAlone):
    """Cross-entropy over the real vocabulary."""

    names = ("loss",)

    def forward(self, batch: Batch, model: Any) -> tuple[Tensor, Callable[[Tensor], Sums]]:
        gpt = unwrap(model)
        gpt.compute_language_model_loss = partial(token_losses, gpt.real_vocab_size)
        return call_model(model, batch), partial(self._sum, batch["loss_mask"].float())

    def _sum(self, mask: Tensor, losses: Tensor) -> Sums:
        total, tokens = (losses * mask).sum(), mask.sum()
        return total, tokens.int(), {"totals": torch.stack((total.detach().double(), tokens.double()))}


@dataclass(frozen=True)
class CrossEntropyWithZLoss(_OfTheModelAlone):
    """Adds ``coefficient`` × (log-sum-exp of the real logits)² of each token, which holds logits near 0.

    Source: PaLM (arXiv 2204.02311), section 5; Kanana trains with 5e-6 (arXiv 2502.18934).
    """

    coefficient: float
    names = ("loss", "z_loss")

    def forward(self, batch: Batch, model: Any) -> tuple[Tensor, Callable[[Tensor], Sums]]:
        gpt = unwrap(model)
        gpt.compute_language_model_loss = partial(_loss_and_log_sum, gpt.real_vocab_size)
        return call_model(model, batch), partial(self._sum, batch["loss_mask"].float())

    def _sum(self, mask: Tensor, output: Tensor) -> Sums:
        losses, log_sums = output
        loss = (losses * mask).sum()
        z_loss = self.coefficient * (log_sums.square() * mask).sum()
        tokens = mask.sum()
        totals = torch.stack([value.detach().double() for value in (loss, z_loss, tokens)])
        return loss + z_loss, tokens.int(), {"totals": totals}


def choose_loss(config: LossConfig) -> Loss:
    """The loss that the configuration describes."""
    return CrossEntropyWithZLoss(config.z_loss) if config.z_loss else CrossEntropy()


def _loss_and_log_sum(vocab_size: int, labels: Tensor, logits: Tensor) -> Tensor:
    return torch.stack(cross_entropy_and_log_sum(vocab_size, labels, logits))


def call_model(model: Any, batch: Batch) -> Tensor:
    """This pipeline stage's output of ``model``, a GPT or its wrapper: hidden states, or what its loss makes of the logits. Collective."""
    more = {}
    if STARTS in batch:
        context_size = unwrap(model).config.context_parallel_size
        more["packed_seq_params"] = carry(batch[STARTS], context_size, batch["tokens"].device)
    output: Tensor = model(batch["tokens"], batch["position_ids"], None, labels=batch["labels"], **more)
    return output
