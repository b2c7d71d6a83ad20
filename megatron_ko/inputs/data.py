"""The data manifest of a run, checked against its token files, its tokenizer and the configuration."""

from __future__ import annotations

from megatron_ko.config.loading import Loaded
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, DataError
from megatron_ko.formats.manifest import Manifest, check_tokens, read_manifest
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder, read_tokenizer_folder
from megatron_ko.planning.config_rules import data_problems
from megatron_ko.planning.packing_rules import fill_in_problems


def check_manifest(loaded: Loaded[Config]) -> Manifest:
    """Reads the data manifest; raises unless manifest, token files, tokenizer and configuration fit each other."""
    config = loaded.config
    manifest = read_manifest(config.data.manifest)
    problems = list(data_problems(config.data, config.model, manifest, config.stages))
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])
    tokenizer = read_tokenizer_folder(manifest.tokenizer_folder)
    if tokenizer.fingerprint != manifest.tokenizer_fingerprint:
        raise DataError(
            f"{manifest.path}: was encoded with tokenizer {manifest.tokenizer_fingerprint[:19]}, but {manifest.tokenizer_folder} "
            f"is {tokenizer.fingerprint[:19]}; encode the data again",
            rule="tokenizer-mismatch",
        )
    content = fingerprint_hf_folder(manifest.tokenizer_folder, tokenizer.fingerprint).fingerprint
    if content != tokenizer.fingerprint:
        raise DataError(
            f"{manifest.tokenizer_folder / 'tokenizer.json'}: its content is {content[:19]}, its fingerprint.json says "
            f"{tokenizer.fingerprint[:19]}: edited or damaged; train the tokenizer again or restore it",
            rule="tokenizer-changed",
        )
    problems = list(fill_in_problems(config.data.fill_in_the_middle, manifest))
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])
    check_tokens(manifest)
    return manifest
