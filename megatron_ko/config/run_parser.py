"""Arguments of the commands about a training configuration; their help is the manual of every field."""

from __future__ import annotations

from megatron_ko.config import cli


def run_parser(command: str, description: str) -> cli.Parser:
    """Parser of ``mko COMMAND CONFIG.yaml ...`` with ``--print-config`` and ``--dry-run``."""
    made = cli.config_parser(command, description, _manual)
    cli.add_inspection(made, "check configuration and data, print the plan and stop")
    return made


def _manual() -> str:
    from megatron_ko.config.manual import manual
    from megatron_ko.config.training import Config

    return "configuration fields (later files and overrides win):\n\n" + manual(Config)
