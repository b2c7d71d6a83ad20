"""Whose configuration a file is: the top-level sections of ``mko data`` and of ``mko train``.

Owns the recognition of a file that was given to the other program. The names are written out, because neither tree may
import the other; a test compares them with the classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from megatron_ko.config.schema import fields_of
from megatron_ko.errors import Problem

SECTIONS = {
    "data": (
        "output", "inputs", "domains", "clean", "lines", "score", "decontaminate", "filter", "deduplicate", "balance",
        "tokenizer", "encode", "seed",
    ),
    "train": (
        "run", "model", "parallel", "precision", "speed", "training", "loss", "distillation", "optimizer", "schedule", "data", "stages", "evaluation",
        "checkpoint", "lora", "reporting",
    ),
}  # fmt: skip
COMMANDS = {"data": "mko data run {file}", "train": "mko train {file}' or 'mko plan {file}"}


def other_programs(root: Any, sections: Mapping[str, Iterable[str]]) -> list[Problem]:
    """A problem for each file (with its top-level keys) that fits the program of another tree than ``root`` better."""
    own = next((program for program, names in SECTIONS.items() if set(names) == set(fields_of(root))), None)
    if own is None:
        return []
    problems = []
    for file, names in sections.items():
        counts = {program: len(set(names).intersection(known)) for program, known in SECTIONS.items()}
        best = max(counts, key=lambda program: (counts[program], program == own))
        if best != own:
            message = f"is a configuration of 'mko {best}': write '{COMMANDS[best].format(file=file)}'"
            problems.append(Problem(file, "", message, "other-configuration"))
    return problems
