"""The model card ``README.md``: front matter for the hub, then the model in Korean and in English. No torch.

Owns the text's form; ``facts`` owns what is known, ``card.md.jinja`` the words.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.store import Store
from checkpoint_tools.publishing.facts import Facts
from checkpoint_tools.publishing.licenses import License
from megatron_ko.config.model import head_size
from megatron_ko.config.training import Config
from megatron_ko.planning.stages import stages_of
from megatron_ko.planning.weights import parameter_count
from megatron_ko.wording import format_bytes

FILE = "README.md"
TEMPLATE = Path(__file__).resolve().parent / "card.md.jinja"


def write_card_text(facts: Facts, store: Store, license_: License | None) -> str:
    """The whole card. ``store`` is the exported model, in its number format and with its chat template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, escaped by the filter cell
    )
    environment.filters.update(count=lambda n: f"{n:,}", size=format_bytes, cell=_escape_cell)
    text = environment.get_template(TEMPLATE.name).render(
        facts=facts,
        checkpoint=facts.checkpoint,
        config=facts.config,
        steps=stages_of(facts.config)[-1].end if facts.config else None,
        trained=facts.checkpoint.config is not None,
        model=store.model,
        store=store,
        architecture=exported_family(store.origin, store.model, store.family).architecture,
        parameters=parameter_count(store.model, store.vocab_size),
        head_size=head_size(store.model),
        schedule=_schedule(facts.config),
        license=license_,
    )
    return f"---\n{_front_matter(facts, license_)}---\n\n{text}"


def _front_matter(facts: Facts, license_: License | None) -> str:
    entries: dict[str, Any] = {"language": list(facts.languages)} if facts.languages else {}
    entries |= license_.front_matter if license_ is not None else {}
    tags = ["megatron_ko", "megatron-core"]
    entries |= {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": tags}
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _schedule(config: Config | None) -> str | None:
    """``wsd (warmup_steps 30, decay_steps 100)``."""
    if config is None:
        return None
    settings = dataclasses.asdict(config.schedule)
    return f"{settings.pop('type')} ({', '.join(f'{name} {value}' for name, value in settings.items())})"


def _escape_cell(text: Any) -> str:
    """A name inside a table or a sentence of Markdown."""
    plain = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\|`*_[]<>" else c for c in plain)
