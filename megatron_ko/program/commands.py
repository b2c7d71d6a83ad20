"""The table of the commands of ``mko``: their groups, modules and sentences. Imports nothing."""

from __future__ import annotations

# Title of a group: command: (module, sentence). ``module.main(arguments)`` returns the exit code. Plain tuples, since
# every import on the way to a command delays the moment from which a signal ends the command as documented.
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
