"""A chat template is tried with the tokenizer before it is exported: it must keep the text and end each answer.

transformers renders and encodes, as chat programs do; nothing is written outside a temporary folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.tokenizer_files import publish_tokenizer
from megatron_ko.errors import CheckpointError, ConfigError, Problem, first_line

CONVERSATION = (
    {"role": "user", "content": "안녕하세요, 1 더하기 1은?"},
    {"role": "assistant", "content": "2입니다."},
    {"role": "user", "content": "And 2 plus 2?"},
    {"role": "assistant", "content": "It is 4."},
)
_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an expression inside a template can raise, besides errors of jinja2."""


def read_chat_template(path: str, store: Store) -> str:
    """Text of the template in the file ``path``, checked with the tokenizer of ``store``.

    Raises ConfigError for a template that cannot be parsed or rendered, loses text, or does not end answers with an id at
    which generation stops; CheckpointError for a checkpoint without a tokenizer or without such an id.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise _problem(
            f"{file}: cannot be read ({error.strerror}); check the path", "unreadable-file"
        ) from None
    except UnicodeDecodeError:
        raise _problem(f"{file}: is not UTF-8 text; save it as UTF-8", "not-utf-8") from None
    if store.tokenizer is None:
        raise CheckpointError(
            f"{store.origin}: has no tokenizer, so a chat template cannot be checked; leave out --chat-template",
            rule="missing-tokenizer",
        )
    ends = end_ids(store)
    if not ends:
        raise CheckpointError(
            f"{store.origin}: its tokenizer has no EOS, so an answer could not end; leave out --chat-template",
            rule="no-end-of-text",
        )
    _check_rendering(file, text, store.tokenizer, ends)
    return text


def end_ids(store: Store) -> set[int]:
    """Ids at which generation stops: EOS, which may be a list, of ``generation_config.json`` and of the tokenizer."""
    ids = (store.generation.get("eos_token_id"), store.special_ids.get("eos_token_id"))
    return {i for entry in ids for i in (entry if isinstance(entry, list) else [entry]) if type(i) is int}


def _problem(message: str, rule: str) -> ConfigError:
    return ConfigError([Problem("", "--chat-template", message, rule)])


def _check_rendering(file: Path, text: str, tokenizer: Path, ends: set[int]) -> None:
    from jinja2 import TemplateError, TemplateSyntaxError
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        publish_tokenizer(tokenizer, Path(folder), text)
        try:
            reader: Any = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (ImportError, OSError, *_ERRORS) as error:
            raise CheckpointError(
                f"{tokenizer}: transformers cannot read the tokenizer ({first_line(error)}), so a chat template cannot be checked; "
                "leave out --chat-template",
                rule="unreadable-tokenizer",
            ) from None

    def render(messages: Any, tokenize: bool, prompt: bool = False) -> Any:
        try:
            return reader.apply_chat_template(
                list(messages), tokenize=tokenize, add_generation_prompt=prompt, return_dict=False
            )
        except TemplateSyntaxError as error:
            message = f"{file}:{error.lineno}: is not a Jinja template ({first_line(error)}); correct it"
            raise _problem(message, "template-syntax") from None
        except (TemplateError, *_ERRORS) as error:
            message = f"{file}: fails for a conversation of two questions and answers ({first_line(error)}); correct it"
            raise _problem(message, "template-fails") from None

    rendered = render(CONVERSATION, tokenize=False)
    if lost := [m["content"] for m in CONVERSATION if m["content"] not in rendered]:
        message = f"{file}: a conversation loses {lost[0]!r}; render the content of every message unchanged"
        raise _problem(message, "template-loses-text")
    question = render(CONVERSATION[:3], tokenize=True, prompt=True)
    whole = render(CONVERSATION, tokenize=True)
    before, after = (sum(i in ends for i in ids) for ids in (question, whole))
    if after <= before:
        names = ", ".join(f"{reader.convert_ids_to_tokens(i)} ({i})" for i in sorted(ends))
        message = f"{file}: an answer does not end with {names}, so generation would not stop; write eos_token after each answer"
        raise _problem(message, "template-without-end")
