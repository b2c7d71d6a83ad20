"""The program ``mko``: every command of the project under one name, also ``python -m megatron_ko``.

A command's module is imported when the command is called: some take signals over before their imports, and ``mko --help`` imports
nothing else. ``program.commands`` owns the table of commands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from megatron_ko.program.commands import COMMANDS, GROUPS


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else "--help"
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name in ("-V", "--version"):
        print(version())
        return 0
    if name not in COMMANDS:
        return _refuse(name)
    if name == "train":  # its signals, before the imports of its module
        from megatron_ko.training import stop

        stop.listen()
    from importlib import import_module

    return import_module(COMMANDS[name][0]).main(given[1:])


def _refuse(name: str) -> int:
    from megatron_ko.config.suggestions import nearest_name
    from megatron_ko.errors import EXIT_USER_ERROR

    near = nearest_name(name, COMMANDS)
    hint = f"did you mean 'mko {near}'?" if near else "see 'mko --help'"
    print(f"usage error: 'mko {name}' is not a command; {hint}", file=sys.stderr)
    return EXIT_USER_ERROR


def overview() -> str:
    """What ``mko --help`` prints."""
    lines = [
        "usage: mko COMMAND ...",
        "",
        "Pretraining of Korean, English and code GPTs on megatron-core.",
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<10}  {sentence}" for name, (_, sentence) in commands.items()]
    return "\n".join(
        [*lines, "", "'mko COMMAND --help' explains a command; 'mko --version' prints versions."]
    )


def version() -> str:
    """Versions of this package and of those that decide what a run computes."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    def describe(package: str) -> str:
        try:
            return f"{package} {version_of(package)}"
        except PackageNotFoundError:
            return f"{package} not installed"

    others = ", ".join(map(describe, ("megatron-core", "torch", "transformer-engine")))
    return f"{describe('megatron_ko')} (Python {platform.python_version()}, {others})"


if __name__ == "__main__":
    raise SystemExit(main())
