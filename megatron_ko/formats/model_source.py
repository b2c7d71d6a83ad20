"""``model.from``: the fields of a model from the folder that contains it, in place of fields in a configuration.

Owns the loading of a training configuration with that key, and the comparison of written fields with those of the folder.
The result no longer depends on the folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded, Rule, load
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.config.training import Config
from megatron_ko.config.yaml_tree import COMMAND_LINE, Keys, NoneWord, Tree, format_value
from megatron_ko.errors import CheckpointError, Problem

FROM: Keys = ("model", "from")
_OF_THE_RUN = {"init_std", "vocab_multiple", "extra"}
"""Fields on which no weight depends: a written value counts."""


def load_training(
    files: Sequence[str], overrides: Sequence[str], rules: Sequence[Rule] = ()
) -> Loaded[Config]:
    """Loads the configuration of a run; ``model.from`` is replaced by the fields of its folder. Raises ConfigError."""
    return load(Config, files, overrides, rules, complete=fill_model)


def describe_source(loaded: Loaded[Config]) -> str:
    """The file that fields of the model come from, and those that the configuration contains; empty without ``model.from``."""
    file = next((file for keys, file in loaded.borrowed.items() if keys[0] == "model"), "")
    names = [field.name for field in dataclasses.fields(ModelConfig)]
    own = [n for n in names if ("model", n) in loaded.places and ("model", n) not in loaded.borrowed]
    return f"{file}{', except ' + ', '.join(own) if own else ''}" if file else ""


def fill_model(tree: Tree) -> None:
    """Replaces ``model.from`` by the fields of the folder it names; adds a problem for each field that contradicts them."""
    section = tree.data.get("model")
    if not isinstance(section, dict) or "from" not in section:
        return
    place, folder = tree.places.pop(FROM, COMMAND_LINE), section.pop("from")
    if folder is None or isinstance(folder, NoneWord):
        return
    if not isinstance(folder, str) or not folder:
        message = f"{format_value(folder)}: must be the path of a folder"
        _refuse(tree, [Problem(place, ".".join(FROM), message, "string-type")])
        return
    longest = section.get("max_sequence_length")
    try:
        source = _read_model(folder, longest if type(longest) is int else None)
    except CheckpointError as error:
        _refuse(tree, [Problem(place, ".".join(FROM), str(p), p.rule) for p in error.problems])
        return
    fields = _fields(source.model, source.vocab_size, with_multiple=source.is_ours)
    _drop_equal_forms(tree, section, source.model)
    _merge(tree, section, fields, ("model",), source)


def _refuse(tree: Tree, problems: list[Problem]) -> None:
    tree.problems += problems
    tree.complete = False  # otherwise each field of the model would be missing, too


@dataclasses.dataclass(frozen=True)
class _Source:
    """The file that describes a model, the model, the rows of its embedding, and the file's names of fields.

    ``is_ours``: a checkpoint, not a Hugging Face folder.
    """

    file: Path
    model: ModelConfig
    vocab_size: int
    is_ours: bool
    keys: dict[str, str] = dataclasses.field(default_factory=dict)


def _read_model(path: str, longest: int | None) -> _Source:
    """Raises CheckpointError for a folder without a supported model."""
    # most configurations name no folder, and mistakes in them are reported sooner
    from megatron_ko.formats.checkpoint_folder import MARKER
    from megatron_ko.formats.hf_config import read_config
    from megatron_ko.formats.hugging_face import CONFIG, is_hf_model
    from megatron_ko.formats.run_folder import newest_checkpoint

    try:
        folder = Path(path).expanduser()
    except RuntimeError:
        message = f"{path}: names an unknown user or one without a home folder; write the full path"
        raise CheckpointError(message, rule="missing-folder") from None
    if is_hf_model(folder):
        config = read_config(folder, longest)
        return _Source(folder / CONFIG, config.model, config.vocab_size, False, config.keys)
    checkpoint = newest_checkpoint(folder)
    return _Source(checkpoint.folder / MARKER, checkpoint.model, checkpoint.vocab_size, True)


def _fields(model: ModelConfig, vocab_size: int, with_multiple: bool) -> dict[str, Any]:
    """Fields that the folder determines; Hugging Face does not know ``vocab_multiple``, and ``extra`` is the run's own."""
    fields = {**dataclasses.asdict(model), "vocab_size": vocab_size}
    del fields["extra"]
    if not with_multiple:
        del fields["vocab_multiple"]
    return fields


def _drop_equal_forms(tree: Tree, section: dict[str, Any], model: ModelConfig) -> None:
    """Removes written fields that mean what the folder says in another form: the default, or its number."""
    for name in ("head_size", "vocab_size"):
        if name in section and (section[name] is None or isinstance(section[name], NoneWord)):
            _drop(tree, section, name)
    if section.get("head_size") == head_size(model):
        _drop(tree, section, "head_size")


def _drop(tree: Tree, section: dict[str, Any], name: str) -> None:
    del section[name]
    tree.places.pop(("model", name), None)


def _merge(tree: Tree, written: dict[str, Any], fields: dict[str, Any], above: Keys, source: _Source) -> None:
    """Adds the fields that are not written; adds a problem for each one that is written and differs."""
    for name, value in fields.items():
        keys = (*above, name)
        if name not in written:
            written[name] = deepcopy(value)
            tree.places[keys] = tree.borrowed[keys] = str(source.file)
        elif isinstance(written[name], dict) and isinstance(value, dict):
            if "type" in value and written[name].get("type", value["type"]) != value["type"]:
                _contradict(tree, (*keys, "type"), written[name]["type"], value["type"], source)
                written[name] = deepcopy(value)
            else:
                _merge(tree, written[name], value, keys, source)
        elif isinstance(written[name], dict) == isinstance(value, dict) and not _may_differ(
            tree, name, written[name], value
        ):
            _contradict(tree, keys, written[name], value, source)
            written[name] = deepcopy(value)


def _may_differ(tree: Tree, name: str, written: Any, value: Any) -> bool:
    """Whether the written value counts; the same value always does."""
    if isinstance(written, bool) == isinstance(value, bool) and written == value or name in _OF_THE_RUN:
        return True
    if name == "max_sequence_length":
        return type(written) is not int or written <= value
    if name == "vocab_size":  # random weights may have any number of rows
        checkpoint = tree.data.get("checkpoint")
        weights = checkpoint.get("initial_weights") if isinstance(checkpoint, dict) else None
        return weights is None or isinstance(weights, NoneWord)
    return False


def _contradict(tree: Tree, keys: Keys, written: Any, value: Any, source: _Source) -> None:
    theirs = f" ({source.keys[keys[1]]})" if keys[1] in source.keys else ""
    place = next(tree.places[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in tree.places)
    message = f"is {format_value(written)} here but {format_value(value)} in {source.file}{theirs}; remove it, or remove model.from"
    tree.problems.append(Problem(place, ".".join(keys), message, "contradicts-model-from"))
