"""The table of operations: command, options, sentence of the overview."""

from __future__ import annotations

from dataclasses import dataclass

from checkpoint_tools.options.comparison import Compare, Diff, Inspect, Verify
from checkpoint_tools.options.conversion import ExportLora, FromHf, FromMegatron, MergeLora, Push, ToHf
from checkpoint_tools.options.surgery import Average, Grow, Importance, Merge, Prune
from checkpoint_tools.options.vocabulary import ExpandVocab, PruneVocab


@dataclass(frozen=True)
class Operation:
    """Options of a command and its sentence in the overview; ``inputs`` are the positional ones, in their order.

    ``module``: the module in ``operations``, where the standard library has the name of the command.
    """

    options: type
    sentence: str
    inputs: tuple[str, ...] = ("src", "dst")
    module: str = ""


OPERATIONS = {
    "to-hf": Operation(ToHf, "write a checkpoint as a Hugging Face folder"),
    "from-hf": Operation(FromHf, "write a Hugging Face folder as a checkpoint that training starts from"),
    "from-megatron": Operation(FromMegatron, "write the weights of a Megatron-LM checkpoint as a checkpoint"),
    "merge-lora": Operation(MergeLora, "add the adapters of a LoRA run to its base, as a checkpoint"),
    "export-lora": Operation(ExportLora, "write the adapters of a LoRA run in PEFT's format"),
    "inspect": Operation(
        Inspect, "list what a folder contains, without reading weights", ("src",), "inspect_folder"
    ),
    "diff": Operation(
        Diff, "show what differs between two models, by kind of weight and by layer", ("a", "b")
    ),
    "compare": Operation(Compare, "compare two models by weights and logits", ("a", "b")),
    "average": Operation(Average, "average the weights of the last checkpoints of a run"),
    "merge": Operation(Merge, "combine the weights of models of one shape (mean, SLERP, TIES, DARE)"),
    "verify": Operation(
        Verify, "check that the files of a checkpoint or export are what was written", ("src",)
    ),
    "push": Operation(Push, "upload an export to the Hugging Face hub", ("folder", "repo")),
    "expand-vocab": Operation(ExpandVocab, "add rows for the tokens of a larger tokenizer"),
    "grow": Operation(Grow, "add layers that copy others, or widen without changing logits"),
    "importance": Operation(Importance, "show or compare the scores of mko importance", ("src",)),
    "prune": Operation(Prune, "remove channels, heads or layers, to a shape or a number of parameters"),
    "prune-vocab": Operation(PruneVocab, "keep only the rows of the ids that a pruned tokenizer keeps"),
}
