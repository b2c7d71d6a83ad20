"""The compute of Kanana (arXiv 2502.18934): growth as the paper counts it, and the chain of students by the planner's formulas.

    python -m examples.kanana.ledger [--utilization 0.4]

Owns the arithmetic and its text. The paper counts 6 x parameters x tokens of what is trained, so that ratios need no more than
parameters x tokens; the planner also counts attention, and the teacher's forward pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from examples.kanana.chain import KANANA
from megatron_ko.config.cli import Parser
from megatron_ko.config.loading import load
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config
from megatron_ko.errors import exit_code_of
from megatron_ko.planning.flops import GPU_PEAK_TFLOPS
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.weights import parameter_count
from megatron_ko.tables import format_table

FULL = Path(__file__).resolve().parent / "full"
TEACHER = FULL.parents[1] / "clusters" / "8b.yaml"
SCRATCH_TOKENS = 3_000_000_000_000
"""Tokens of the models from scratch, as published."""
GPU = "H100"
UTILIZATION = 0.4
"""Share of the peak of dense bf16 products that the GPU-hours assume: an assumption, nothing measured."""


# --- growth ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """Parameters in 10^9 and tokens in 10^12."""

    parameters: Decimal
    tokens: Decimal

    @property
    def compute(self) -> Decimal:
        return self.parameters * self.tokens


def trainings(*pairs: tuple[str, str]) -> tuple[Training, ...]:
    return tuple(Training(Decimal(parameters), Decimal(tokens)) for parameters, tokens in pairs)


BASES = trainings(("8", "3"), ("26.8", "3"))
GROWN = trainings(("9.8", "0.2"), ("32.5", "0.2"))
"""Two models grown by depth; 0.2 is 100 billion tokens of each of two mixtures."""
SCRATCH = trainings(("9.8", "3"), ("32.5", "3"))


@dataclass(frozen=True)
class Growth:
    """``saving``: of the grown models with their bases, against the grown models from scratch; ``share``: growth alone against scratch."""

    saving: Decimal
    share: Decimal


def growth(bases: Sequence[Training], grown: Sequence[Training], scratch: Sequence[Training]) -> Growth:
    """Both as fractions of the compute from scratch."""
    whole = _sum(scratch)
    return Growth(1 - (_sum(bases) + _sum(grown)) / whole, _sum(grown) / whole)


def _sum(items: Sequence[Training]) -> Decimal:
    return sum((item.compute for item in items), Decimal(0))


def growth_of_exact_counts() -> Growth:
    """The same with the exact counts of the two shapes that are known, 8B and 9.8B; the others as published."""
    small, large = (
        Decimal(parameter_count(model, model.vocab_size or 0)) / 10**9
        for model in (teacher_model(), model_of("9.8b"))
    )
    bases = (Training(small, Decimal(3)), BASES[1])
    grown = (Training(large, Decimal("0.2")), GROWN[1])
    return growth(bases, grown, (Training(large, Decimal(3)), SCRATCH[1]))


# --- the chain -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One training. FLOPs of the whole training; ``teacher_flops`` are those of the teacher's forward passes."""

    name: str
    parameters: int
    tokens: int
    student_flops: float
    teacher_flops: float = 0.0

    @property
    def flops(self) -> float:
        return self.student_flops + self.teacher_flops

    def gpu_hours(self, utilization: float) -> float:
        """Hours of one GPU that reaches this share of its peak."""
        return self.flops / (GPU_PEAK_TFLOPS[GPU]["bf16"] * 1e12 * utilization) / 3600


def chain_rows() -> list[Row]:
    """The optional correction of the teacher, then the students in their order."""
    return [row_of("teacher"), *(row_of(name) for name in KANANA)]


def row_of(name: str) -> Row:
    """A configuration in ``full``, as its plan counts it."""
    config = load(Config, [str(FULL / f"{name}.yaml")], []).config
    teacher = config.distillation.teacher if config.distillation else None
    plan = Plan.of(config, config.parallel.tensor, teachers={teacher: teacher_model()} if teacher else {})
    taught = plan.teacher_flops_per_token * plan.total_tokens
    return Row(name, plan.parameters, plan.total_tokens, plan.total_flops - taught, taught)


def scratch_row() -> Row:
    """The last student, trained from scratch for the tokens of the paper."""
    name = list(KANANA)[-1]
    config = load(Config, [str(FULL / f"{name}.yaml")], ["distillation=none"]).config
    plan = Plan.of(config, config.parallel.tensor)
    return Row(f"{name} from scratch", plan.parameters, SCRATCH_TOKENS, plan.flops_per_token * SCRATCH_TOKENS)


def model_of(name: str) -> ModelConfig:
    return load(Config, [str(FULL / f"{name}.yaml")], []).config.model


def teacher_model() -> ModelConfig:
    return load(Config, [str(TEACHER)], []).config.model


# --- the text --------------------------------------------------------------------------------------------


def describe(utilization: float = UTILIZATION) -> str:
    """Both ledgers as lines for people."""
    published, exact = growth(BASES, GROWN, SCRATCH), growth_of_exact_counts()
    rows, scratch = chain_rows(), scratch_row()
    cells = [("training", "parameters", "tokens", "FLOPs", "of the\nteacher", "GPU-hours")]
    cells += [
        (row.name, f"{row.parameters:,}", f"{row.tokens / 1e9:,.0f}B", f"{row.flops:.3g}",
         f"{row.teacher_flops / row.flops:.1%}", f"{row.gpu_hours(utilization):,.0f}")
        for row in (*rows, scratch)
    ]  # fmt: skip
    last, students = rows[-1], rows[1:]
    own = last.student_flops / scratch.flops
    with_teacher = last.flops / scratch.flops
    whole = sum(row.flops for row in students) / scratch.flops
    return "\n".join(
        [
            "growth, parameters x tokens against both grown models from scratch:",
            f"  saved with the models that were grown      {published.saving:8.2%}",
            f"  growth alone                               {published.share:8.2%}",
            f"  the same with exact counts of 8B and 9.8B  {exact.saving:8.2%} {exact.share:8.2%}",
            "",
            f"pruning and distillation; GPU-hours of {GPU} at {utilization:.0%} of the peak (assumed):",
            "",
            *format_table(cells, width=80),
            "",
            f"{last.name} against the same model from scratch:",
            f"  its own compute, as the paper counts       {own:8.2%}",
            f"  with the teacher's forward passes          {with_teacher:8.2%}",
            f"  with the student before it, too            {whole:8.2%}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints both ledgers."""
    parser = Parser(prog="python -m examples.kanana.ledger", description=__doc__)
    parser.add_argument(
        "--utilization", type=_share, default=UTILIZATION, metavar="X",
        help=f"share of the GPU's peak that trainings reach (default {UTILIZATION})",
    )  # fmt: skip

    def show() -> int:
        print(describe(parser.parse(arguments).utilization))
        return 0

    return exit_code_of(show)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
