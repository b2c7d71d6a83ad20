"""The program ``mko``: every command of the project under one name, also ``python -m megatron_ko``.

Owns the table of commands. A command's module is imported when the command is called: some take signals over before their
imports, and ``mko --help`` imports nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

# Title of a group: command: (module, sentence). ``module.main(arguments)`` returns the exit code. Plain tuples, since
# every import here delays the moment from which a signal ends the command as documented.
GROUPS = {
    "start": {
        "init": ("megatron_ko.program.init", "write a commented data.yaml and train.yaml to begin with"),
        "job": ("megatron_ko.job.run", "take raw text to a verified Hugging Face model and a report"),
    },
    "one step at a time": {
        "data": ("preprocessing.__main__", "clean, filter, deduplicate, mix and tokenize text"),
        "tokenizer": ("megatron_ko.program.tokenizer", "measure, compare, extend and prune tokenizers"),
        "plan": ("megatron_ko.plan", "check a training configuration and print its plan"),
        "train": ("megatron_ko.train", "train on the ranks of this host, under torchrun or Slurm"),
        "distill": ("megatron_ko.distill", "write a teacher's log-probabilities for training without it"),
        "importance": ("megatron_ko.importance", "score channels, heads and layers of a model, for pruning"),
        "checkpoint": ("checkpoint_tools.__main__", "convert, compare, extend and prune checkpoints"),
        "generate": ("megatron_ko.job.generate", "let a Hugging Face model continue prompts"),
        "report": ("megatron_ko.job.report.__main__", "write the HTML report of a job"),
    },
    "on a cluster": {
        "submit": (
            "megatron_ko.operations.submit",
            "submit a training run to Slurm, with its code and configuration",
        ),
        "status": ("megatron_ko.operations.status", "show state, speed, checkpoints and restarts of runs"),
        "stop": ("megatron_ko.operations.control", "let a run save and end, wherever it runs"),
        "save": ("megatron_ko.operations.save", "let a run save now and go on"),
        "preflight": ("megatron_ko.operations.machines", "check the machines of a run before its first step"),
    },
    "shell and editor": {
        "schema": ("megatron_ko.program.schema", "print the JSON schema of a configuration, for editors"),
        "completion": ("megatron_ko.program.completion", "print a completion script for a shell"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


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
