"""The documents of a training sequence: where they begin, what attention needs to know of them, labels that are left out.

Every rank of every pipeline stage reads the samples themselves, so boundaries reach all of them with the tokens and need no
broadcast. They travel to the core attention of each layer in megatron-core's ``PackedSeqParams``, whose format stays that of whole
sequences: shapes, rotary embedding (which depends on distances alone) and pipeline messages are those of any other run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.packing import PackingConfig

STARTS = "document_starts"
"""Entry of a sample or batch: the place of the first token of each token's document in its sequence, [S] or [B, S] int64."""
_CARRIED = "megatron_ko_documents"  # attribute of PackedSeqParams


def document_starts(tokens: Tensor, eod: int, joints: Sequence[int] = ()) -> Tensor:
    """Where the document of each token begins: [S] int64.

    A document begins after each ``eod``, at place 0 (there it may be the end of one), and at ``joints``.
    """
    begins = torch.zeros(len(tokens), dtype=torch.bool)
    begins[1:] = tokens[:-1] == eod
    begins[[0, *joints]] = True
    return torch.where(begins, torch.arange(len(tokens)), 0).cummax(0).values


@dataclass(frozen=True)
class Packing:
    """Completes samples: boundaries of documents for attention within them, labels at EOD left out."""

    eod: int
    within_documents: bool
    masks_eod: bool

    @staticmethod
    def of(config: PackingConfig, eod: int) -> Packing | None:
        """None where samples stay as they are."""
        within, masks = config.attention == "within_documents", config.label_at_eod == "masked"
        return Packing(eod, within, masks) if within or masks else None

    def complete(self, sample: dict[str, Tensor], joints: Sequence[int] = ()) -> dict[str, Tensor]:
        """A copy of ``sample`` with STARTS, positions that restart at each document, and a mask of labels."""
        completed, tokens = dict(sample), sample["tokens"]
        if self.masks_eod:
            completed["loss_mask"] = sample["loss_mask"] * (tokens != self.eod)
        if self.within_documents:
            real = torch.where(sample["loss_mask"] > 0, tokens, -1)  # padding is no document, whatever its id
            completed[STARTS] = starts = document_starts(real, self.eod, joints)
            completed["position_ids"] = torch.arange(len(tokens)) - starts
        return completed


class PackedSamples(torch.utils.data.Dataset):
    """The samples of ``order``, a ``data.SampleOrder``, by number, completed by ``packing``."""

    def __init__(self, order: Any, packing: Packing) -> None:
        self._order, self._packing = order, packing

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        return self._packing.complete(self._order.dataset[sample], self._order.joints(sample))


@dataclass(frozen=True)
class Documents:
    """The documents of one micro-batch; ``starts`` [B, S], or the part [B, S/n] of this rank under context parallelism.

    ``device`` is that of the model; what is read from ``starts`` is computed once for all layers.
    """

    starts: Tensor
    device: torch.device

    @cached_property
    def host_starts(self) -> Tensor:
        return self.starts.cpu()

    @cached_property
    def spans(self) -> list[list[tuple[int, int]]]:
        """First and last place (exclusive) of each document of each sequence."""
        length = self.starts.shape[1]
        rows = [torch.unique_consecutive(row).tolist() for row in self.host_starts]
        return [list(zip(row, [*row[1:], length])) for row in rows]

    @cached_property
    def longest(self) -> int:
        return max(end - start for row in self.spans for start, end in row)

    @cached_property
    def flat_borders(self) -> Tensor:
        """Borders of all documents with the sequences one after another: [documents + 1] int32."""
        length = self.starts.shape[1]
        ends = [number * length + end for number, row in enumerate(self.spans) for _, end in row]
        return torch.tensor([0, *ends], dtype=torch.int32, device=self.device)


def carry(starts: Tensor, context_size: int, device: torch.device) -> Any:
    """``packed_seq_params`` for a call of megatron-core's GPTModel whose core attention reads ``carried_by``."""
    from megatron.core.packed_seq_params import PackedSeqParams

    length = starts.shape[1] * context_size  # of the rotary embedding
    parameters = PackedSeqParams(qkv_format="sbhd", max_seqlen_q=length, max_seqlen_kv=length)
    setattr(parameters, _CARRIED, Documents(starts, device))
    return parameters


def carried_by(packed_seq_params: Any) -> Documents | None:
    """The documents of the micro-batch, or None for one without them. Raises NotImplementedError for other packed sequences."""
    if packed_seq_params is None:
        return None
    documents: Documents | None = getattr(packed_seq_params, _CARRIED, None)
    if documents is None:
        raise NotImplementedError("packed sequences come from documents.carry alone")
    return documents


def attend_flat(
    attend: Callable[[Tensor, Tensor, Tensor, Any], Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    documents: Documents,
) -> Tensor:
    """Attention of [S, B, heads, d] by a kernel for variable lengths: [S, B, heads * d].

    ``attend`` takes query, key and value [B * S, heads, d] and ``PackedSeqParams`` in the format ``thd``.
    """
    from megatron.core.packed_seq_params import PackedSeqParams

    length, rows = query.shape[:2]
    borders = documents.flat_borders
    parameters = PackedSeqParams(
        qkv_format="thd",
        cu_seqlens_q=borders,
        cu_seqlens_kv=borders,
        max_seqlen_q=documents.longest,
        max_seqlen_kv=documents.longest,
    )
    query, key, value = (tensor.transpose(0, 1).flatten(0, 1) for tensor in (query, key, value))
    return attend(query, key, value, parameters).reshape(rows, length, -1).transpose(0, 1)
