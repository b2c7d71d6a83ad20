"""The command ``mko plan``: checks a configuration and prints its plan; also ``--dry-run`` of ``mko train``.

``planning.run_plan`` owns the arithmetic, ``preflight`` the checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.config import cli
from megatron_ko.config.loading import to_yaml, with_sources
from megatron_ko.config.run_parser import run_parser
from megatron_ko.config.training import Config
from megatron_ko.errors import exit_code_of
from megatron_ko.formats.model_source import load_training
from megatron_ko.inputs.teachers import find_teachers
from megatron_ko.inputs.weights import find_weights
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.scaling_law import suggest, suggestion_text
from megatron_ko.preflight import check_run, plan_of


def parser() -> cli.Parser:
    made = run_parser("plan", main.__doc__ or "")
    made.add_argument(
        "--world-size",
        type=cli.positive,
        metavar="N",
        help="ranks to plan for (default: tensor x pipeline x context)",
    )
    made.add_argument(
        "--suggest",
        action="store_true",
        help="also print the learning rate and batch of DeepSeek LLM's law for this model and these tokens",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks a configuration and prints its plan; starts nothing and needs no GPU."""
    return exit_code_of(lambda: show_plan(parser().parse(arguments)))


def show_plan(arguments: Any, world_size: int | None = None, command: str = "plan") -> int:
    """Prints the configuration (``--print-config``) or the plan for ``--world-size`` ranks, or ``world_size``, as ``command``.

    Without either, it plans for the ranks of one model: tensor x pipeline x context.

    Checks what a run would check. The data may be missing when the configuration gives the vocabulary.
    """
    files, overrides = cli.split(arguments.config)
    cli.require_configuration(arguments.config, command)
    ranks = arguments.world_size or (None if arguments.print_config else world_size)
    loaded = load_training(files, overrides, layout_rules(ranks))
    if arguments.print_config:
        print(with_sources(to_yaml(loaded.config), loaded.borrowed), end="")
        return 0
    if ranks is None:
        layout = loaded.config.parallel
        ranks = layout.tensor * layout.pipeline * layout.context
        loaded = load_training(files, overrides, layout_rules(ranks))
    data_is_missing = not Path(loaded.config.data.manifest).expanduser().exists()
    if loaded.config.model.vocab_size and data_is_missing:
        plan = plan_of(loaded, ranks, teachers=find_teachers(loaded, None))
        find_weights(loaded.config, plan.vocab_size, None)
        _print(plan, loaded.config, arguments)
        return 0
    checked = check_run(loaded, ranks)
    _print(checked.plan, loaded.config, arguments)
    if checked.is_finished:
        print(checked.nothing_to_do())
    return 0


def _print(plan: Plan, config: Config, arguments: Any) -> None:
    print(plan.text(), end="")
    if getattr(arguments, "suggest", False):  # mko train has no such option
        length = config.training.sequence_length
        print(suggestion_text(suggest(config.model, length, plan.total_tokens), length), end="")


if __name__ == "__main__":
    raise SystemExit(main())
