"""Operation ``to-hf``: converts a megatron_ko checkpoint to a Hugging Face folder."""

from __future__ import annotations

from dataclasses import replace

from checkpoint_tools.endpoints import convert_dtype, open_source, verify_output, write_as_hf
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.options import ToHf
from megatron_ko.errors import ConfigError, Problem


def run(options: ToHf) -> int:
    source = open_source(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)", mcore.open_mcore
    )
    family = exported_family(source.origin, source.model, options.family)
    if options.family not in (None, family.model_type):
        message = f"{options.family} does not express this model, but {family.model_type} does; leave it out"
        raise ConfigError([Problem("", "--family", message, "family-without-model")])
    store = convert_dtype(replace(source, family=family.model_type), options)
    folder = write_as_hf(
        store, source, options.dst, options.overwrite, options.max_shard_gb, options.allow_nonfinite
    )
    if not family.in_transformers:
        print(
            f"warning: transformers runs {family.architecture} only with code from its publisher;\n"
            "  copy it into the folder with auto_map in config.json, or export without --family"
        )
    return verify_output(store, hf.open_hf(folder), folder, options, source)
