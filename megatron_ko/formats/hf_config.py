"""Reads Hugging Face's ``config.json`` as a ``ModelConfig``. No torch.

Rejects every setting that would compute something else; ``hf_families`` has the supported models. Reads the spellings of
transformers 4 and 5; ``checkpoint_tools`` writes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.loading import explain_fields
from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json
from megatron_ko.formats.hf_families import FAMILIES, FIXED, REFUSED, UNSUPPORTED, Family
from megatron_ko.formats.hf_types import find_wrong_types

SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
KEYS = {
    "layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "ffn_hidden_size": "intermediate_size",
    "heads": "num_attention_heads",
    "kv_groups": "num_key_value_heads",
    "head_size": "head_dim",
    "max_sequence_length": "max_position_embeddings",
    "vocab_size": "vocab_size",
    "tied_embeddings": "tie_word_embeddings",
    "norm_epsilon": "rms_norm_eps",
    "init_std": "initializer_range",
    "rope": "rope_parameters",
}
"""Hugging Face's name of each field; biases, norms and the order of a layer belong to a ``model_type``."""
_REQUIRED = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "rms_norm_eps",
)  # fmt: skip
LLAMA3 = {
    "factor": "factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "original_max_sequence_length": "original_max_position_embeddings",
}


@dataclass(frozen=True)
class HfConfig:
    """``warnings``: what the configuration asks for that is not used here. ``keys``: the file's name of each field."""

    model: ModelConfig
    vocab_size: int
    special_ids: dict[str, Any]
    family: str
    warnings: tuple[str, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)


def read_config(folder: Path, longest: int | None = None) -> HfConfig:
    """Reads ``config.json``. Raises CheckpointError when it is missing or its model is not supported.

    ``longest``: the longest sequence in tokens that matters, by default ``max_position_embeddings``.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: has no config.json; it is not a Hugging Face folder, or it is an unfinished export; "
            "check the path or export again",
            rule="missing-config",
        )
    config = read_json(path, error=CheckpointError)
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{path}: is not a JSON object; give a folder with the config.json of a model",
            rule="not-an-object",
        )
    spelling = _family_spelling(config)
    contradictions = [
        (theirs, f"differs from {ours}; remove one of them", "settings-differ")
        for ours, theirs in spelling.items()
        if ours in config and theirs in config and config[ours] != config[theirs]
    ]
    config = _with_numbers({**config, **{o: config[t] for o, t in spelling.items() if t in config}})
    problems = [
        Problem(str(path), spelling.get(key, key), message, rule)
        for key, message, rule in (*contradictions, *_find_problems(config, longest))
    ]
    if problems:
        raise CheckpointError(problems)
    try:
        model = TypeAdapter(ModelConfig).validate_python(fields := _model_fields(config))
    except ValidationError as error:
        problems = explain_fields(ModelConfig, fields, error)
        raise CheckpointError(
            [
                replace(problem, where=str(path), path=_key_of(problem.path, config, spelling))
                for problem in problems
            ]
        ) from None
    if model.heads % model.kv_groups:
        message = f"{model.kv_groups} does not divide num_attention_heads {model.heads}; choose a divisor"
        raise CheckpointError([Problem(str(path), "num_key_value_heads", message, "does-not-divide")])
    if model.head_size is None and model.hidden_size % model.heads:
        message = f"{model.heads} does not divide hidden_size {model.hidden_size}; add head_dim"
        raise CheckpointError([Problem(str(path), "num_attention_heads", message, "does-not-divide")])
    ids = {name: config.get(name) for name in SPECIAL_IDS}
    keys = {ours: spelling.get(theirs, theirs) for ours, theirs in KEYS.items()}
    warnings = tuple(_find_warnings(config, path))
    return HfConfig(model, config["vocab_size"], ids, config["model_type"], warnings, keys)


def _key_of(path: str, config: dict[str, Any], spelling: dict[str, str]) -> str:
    """The key of ``config.json`` that a field of ``ModelConfig`` comes from."""
    name, _, rest = path.partition(".")
    if name != "rope" or not rest:
        theirs = KEYS.get(name, name)
        return spelling.get(theirs, theirs)
    last = rest.rpartition(".")[2]
    key = {"base": "rope_theta", "fraction": "partial_rotary_factor", **LLAMA3}.get(last, last)
    section = "rope_parameters" if config.get("rope_parameters") else "rope_scaling"
    inside = key in (config.get(section) or {})
    return f"{section}.{key}" if inside else spelling.get(key, key)


def _family_spelling(config: dict[str, Any]) -> dict[str, str]:
    """The family's spelling of keys that are not Llama's, by Llama's."""
    model_type = config.get("model_type")
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    return family.keys if family else {}


def _with_numbers(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with numbers in place of the strings that some tools write for the rotary embedding."""

    def number(value: Any) -> Any:
        try:
            parsed = float(value) if isinstance(value, str) else None
        except ValueError:
            return value  # such as a type
        if parsed is None:
            return value
        return int(parsed) if parsed.is_integer() else parsed

    changed = {}
    for key in ("rope_scaling", "rope_parameters"):
        if isinstance(config.get(key), dict):
            changed[key] = {name: number(value) for name, value in config[key].items()}
    if "rope_theta" in config:
        changed["rope_theta"] = number(config["rope_theta"])
    return {**config, **changed}


def _find_warnings(config: dict[str, Any], path: Path) -> Iterator[str]:
    family = FAMILIES[config["model_type"]]
    if config.get("auto_map"):
        yield (
            f"{path} names code of its own (auto_map), which is not run;\n"
            f"  the model is read as {family.architecture}"
        )
    rows = config["vocab_size"]
    for name in SPECIAL_IDS:
        ids = config[name] if isinstance(config.get(name), list) else [config.get(name)]
        if outside := [str(id_) for id_ in ids if id_ is not None and not 0 <= id_ < rows]:
            yield f"{path} has {name} {', '.join(outside)},\n  outside of the {rows:,} rows of the embedding"
    foreign = [name for name in config.get("architectures") or [] if name != family.architecture]
    if foreign:
        yield f"{path} is of {', '.join(map(str, foreign))};\n  the model is read as {family.architecture}"


def _find_problems(config: dict[str, Any], longest: int | None) -> Iterator[tuple[str, str, str]]:
    """``(key, message, rule)`` of every setting that the models here do not support."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        reason = REFUSED.get(model_type, "") if isinstance(model_type, str) else ""
        message = f"{model_type!r} is not supported{f' ({reason})' if reason else ''}"
        yield "model_type", f"{message}; use one of {', '.join(FAMILIES)}", "unsupported-model"
        return
    family = FAMILIES[model_type]
    required = (*_REQUIRED, *family.required)
    missing = [name for name in required if config.get(name) is None]
    yield from ((name, "is missing; add it to config.json", "missing-key") for name in missing)
    if wrong := list(find_wrong_types(config)):  # what follows relies on them
        yield from wrong
        return
    if config.get("hidden_act", next(iter(family.activations))) not in family.activations:
        message = f"{config['hidden_act']!r} is not supported; use {', '.join(family.activations)}"
        yield "hidden_act", message, UNSUPPORTED
    longest = longest or config.get("max_position_embeddings")
    if isinstance(longest, int):
        yield from family.find_problems(config, longest)
    kinds = {"full_attention", "sliding_attention"} if family.windows_of_layers else {"full_attention"}
    if not kinds.issuperset(config.get("layer_types") or []):
        yield "layer_types", "sliding windows are not supported, only full attention", UNSUPPORTED
    if config.get("quantization_config") is not None:
        yield (
            "quantization_config",
            "quantized weights are not supported; use the unquantized model",
            UNSUPPORTED,
        )
    yield from _find_rope_problems(config, family)


def _find_rope_problems(config: dict[str, Any], family: Family) -> Iterator[tuple[str, str, str]]:
    scalings = {key: config[key] for key in ("rope_scaling", "rope_parameters") if config.get(key)}
    for key, scaling in scalings.items():
        if not isinstance(scaling, dict) or any(isinstance(value, dict) for value in scaling.values()):
            yield key, "must be one flat mapping, the same for all layers", "rope-per-layer"
            return
    for key, scaling in scalings.items():
        rope_type = _rope_type(scaling)
        if rope_type not in ("default", "llama3"):
            yield key, f"type {rope_type!r} is not supported; use default or llama3", "unsupported-rope-type"
        elif rope_type == "llama3":
            missing = [name for name in LLAMA3.values() if scaling.get(name) is None]
            words = [name for name in LLAMA3.values() if isinstance(scaling.get(name), str)]
            if missing:
                yield key, f"{', '.join(missing)} missing; llama3 needs them", "missing-key"
            elif words:
                yield key, f"{', '.join(words)} must be numbers", "not-a-number"
            elif not scaling["low_freq_factor"] < scaling["high_freq_factor"]:
                yield key, "low_freq_factor must be below high_freq_factor", "frequency-order"
    fractions = {
        f"{key}.partial_rotary_factor".removeprefix("."): values["partial_rotary_factor"]
        for key, values in (("", config), *scalings.items())
        if values.get("partial_rotary_factor") is not None
    }
    if not family.rotates_a_part:
        for path in (path for path, fraction in fractions.items() if fraction != 1.0):
            yield path, "must be 1; this family does not rotate a part of the head", UNSUPPORTED
    elif not fractions:
        yield "partial_rotary_factor", "is missing; add it to config.json", "missing-key"
    elif len(set(fractions.values())) > 1:
        message = f"differs from {', '.join(list(fractions)[1:])}; give both the same value"
        yield next(iter(fractions)), message, "rope-settings-differ"
    if len(scalings) == 2:
        first, second = scalings["rope_scaling"], scalings["rope_parameters"]
        names = ("rope_theta", *LLAMA3.values())
        old = {"rope_theta": config.get("rope_theta"), **first}
        differ = [n for n in names if old.get(n) is not None and old[n] != second.get(n)]
        if differ or _rope_type(first) != _rope_type(second):
            message = (
                f"differs from rope_parameters ({', '.join(differ) or 'type'}); give both the same values"
            )
            yield "rope_scaling", message, "rope-settings-differ"


def _rope_type(scaling: dict[str, Any]) -> str:
    return scaling.get("rope_type", scaling.get("type", "default"))


def _model_fields(config: dict[str, Any]) -> dict[str, Any]:
    family = FAMILIES[config["model_type"]]
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    fraction = rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))
    scaling: dict[str, Any] = {"type": "none"}
    if _rope_type(rope) == "llama3":
        scaling = {"type": "llama3", **{ours: rope[theirs] for ours, theirs in LLAMA3.items()}}
    fields = {ours: config.get(theirs) for ours, theirs in KEYS.items()}
    if fields["kv_groups"] is None:
        fields["kv_groups"] = fields["heads"]
    return {
        **fields,
        "tied_embeddings": config.get("tie_word_embeddings", family.tied_by_default),
        **{name: getattr(family, name) for name in FIXED},
        "feed_forward": family.activations[config.get("hidden_act", next(iter(family.activations)))],
        "residual": family.residual_of(config),
        **(_caps(config) if family.has_caps else {}),
        "init_std": config.get("initializer_range") or 0.02,
        "rope": {"base": base, "scaling": scaling, "fraction": fraction},
    }


def _caps(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of Gemma 2's soft caps; without the keys, transformers takes 50 and 30."""
    return {
        "attention_size": config["query_pre_attn_scalar"],
        "attention_cap": config.get("attn_logit_softcapping", 50.0),
        "logit_cap": config.get("final_logit_softcapping", 30.0),
    }
