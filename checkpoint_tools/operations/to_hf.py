"""Operation ``to-hf``: converts a megatron_ko checkpoint to a Hugging Face folder that can be published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from checkpoint_tools.endpoints import (
    check_destination,
    convert_dtype,
    describe_output,
    open_source,
    verify_output,
    write_as_hf,
)
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.options.conversion import ToHf
from checkpoint_tools.publishing.card import write_card_text
from checkpoint_tools.publishing.chat_template import read_chat_template
from checkpoint_tools.publishing.export_files import write_card
from checkpoint_tools.publishing.facts import read_facts
from checkpoint_tools.publishing.licenses import read_license
from megatron_ko.errors import ConfigError, Problem


def run(options: ToHf) -> int:
    license_ = read_license(options.license) if options.license is not None else None
    source = open_source(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)", mcore.open_mcore
    )
    family = exported_family(source.origin, source.model, options.family)
    if options.family not in (None, family.model_type):
        message = f"{options.family} does not express this model, but {family.model_type} does; leave it out"
        raise ConfigError([Problem("", "--family", message, "family-without-model")])
    store = convert_dtype(replace(source, family=family.model_type), options)
    folder = check_destination(options.dst, source, options.overwrite)
    if options.dry_run:
        return describe_output(store, folder, hf.shard_sizes(store, options.max_shard_gb))
    if options.chat_template is not None:
        store = replace(store, chat_template=read_chat_template(options.chat_template, store))
    facts = read_facts(Path(source.origin), folder.absolute().name)
    card = write_card_text(facts, store, license_)
    written = write_as_hf(
        store, source, options.dst, options.overwrite, options.max_shard_gb, options.allow_nonfinite
    )
    beside = write_card(written.folder, card, facts.checkpoint.config)
    for reason in facts.missing:
        print(f"model card without {reason}")
    if license_ is None:
        print("model card without a license; name one with --license of mko checkpoint to-hf")
    if not family.in_transformers:
        print(
            f"warning: transformers runs {family.architecture} only with code from its publisher;\n"
            "  copy it into the folder with auto_map in config.json, or export without --family"
        )
    return verify_output(store, written, options, source, beside)
