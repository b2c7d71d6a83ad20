"""Takes a tokenizer that exists: a folder of Hugging Face or of this project, or a SentencePiece model.

Owns reading it, its special tokens, the folder written from it, and the search for odd pieces. In a Hugging Face folder
``tokenizer.json`` is the tokenizer, and ``tokenizer.model`` is used only where it has the same pieces. Nothing is
downloaded, and code in a folder is never run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import sha256_file
from megatron_ko.formats.fingerprint import ROLES
from megatron_ko.formats.sentencepiece_model import SentencePieceModel, read_model
from megatron_ko.formats.tiktoken_ranks import is_tiktoken
from megatron_ko.formats.tokenizer_folder import (
    FILES,
    MARKER,
    MODEL,
    TokenizerInfo,
    copy_tokenizer_folder,
    fingerprint_hf_folder,
    read_tokenizer_folder,
    write_tokenizer_folder,
)
from megatron_ko.formats.tokenizer_json import (
    format_names,
    mapped_special_tokens,
    object_in,
    read_description,
    tokens_in,
    vocabulary_in,
)
from megatron_ko.formats.vocabulary import CONTROL, GAP, NORMAL, UNKNOWN, USER_DEFINED, Vocabulary
from preprocessing.config.pipeline import AMBIGUOUS_SIZES
from preprocessing.tokenizers.bases import SentencePieceBase
from preprocessing.tokenizers.derived_folders import backend_of, describe_model, settings_in
from preprocessing.tokenizers.opened import choose_file

FIELDS = ("tokenizer.folder", "tokenizer.eos_token")
JSON = "tokenizer.json"
SAVE = "save it with AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER), and name that folder"


@dataclass(frozen=True)
class ExistingTokenizer:
    """``special``: tokens by role, at least ``eos``; ``others``: special tokens without a role; ``settings``: further
    entries of ``tokenizer_config.json``. ``complete``: a folder of this project that is copied as it is."""

    path: Path
    description: dict[str, Any]
    vocabulary: Vocabulary
    special: dict[str, str]
    others: list[str]
    model: bytes | None
    settings: dict[str, Any]
    complete: bool
    warnings: tuple[str, ...] = ()

    @property
    def may_drop_model(self) -> bool:
        """Whether ``tokenizer.json`` alone is the tokenizer, and the model only a second form of it."""
        return self.model is not None and not self.complete and (self.path / JSON).is_file()


def read_existing(
    path: Path | str, eos_token: str | None = None, fields: tuple[str, str] = FIELDS
) -> ExistingTokenizer:
    """Reads a tokenizer whose documents end with ``eos_token``, by default its own. Raises DataError.

    ``fields``: what messages call the path and the token.
    """
    source = Path(path).expanduser()
    if not source.exists():
        raise _problem(fields[0], f"{source}: no such file or folder; check the path", "missing-tokenizer")
    if source.suffix == ".json" and source.is_file():
        message = f"{source}: name its folder {source.parent}, which also names the special tokens"
        raise _problem(fields[0], message, "not-a-folder")
    if source.is_dir() and (source / JSON).is_file():
        found = _read_json_folder(source)
    else:
        found = _read_model(choose_file(source) if source.is_dir() else source, source)
    if found.vocabulary.size in AMBIGUOUS_SIZES:
        message = f"{source}: has {found.vocabulary.size} ids; readers of token files disagree about sizes from 65500 to 65536"
        raise _problem(fields[0], f"{message}; add or remove tokens", "ambiguous-token-type")
    return _with_eos(found, eos_token, fields[1])


def _problem(path: str, message: str, rule: str) -> DataError:
    return DataError([Problem("", path, message, rule)])


def identity_of(path: Path | str) -> list[list[str]]:
    """Name and SHA-256 of every file that the tokenizer is read from. Raises DataError if there is none."""
    source = Path(path).expanduser()
    if source.is_file():
        return [[source.name, sha256_file(source)]]
    if not source.is_dir():
        raise _problem(FIELDS[0], f"{source}: no such file or folder; check the path", "missing-tokenizer")
    names = {choose_file(source).name, *FILES, MARKER, "added_tokens.json", "chat_template.jinja"}
    return [[name, sha256_file(source / name)] for name in sorted(names) if (source / name).is_file()]


# --- reading ---------------------------------------------------------------------------------------------


def _read_json_folder(folder: Path) -> ExistingTokenizer:
    description = read_description(folder / JSON)
    ids = tokens_in(description, folder)
    if shared := [str(number) for number, times in Counter(ids.values()).items() if times > 1]:
        message = (
            f"{folder / JSON}: several tokens have the ids {', '.join(shared[:5])}; save the tokenizer again"
        )
        raise DataError(message, rule="duplicate-ids")
    _check_backend(folder, description, ids)
    complete = (folder / MARKER).is_file()
    info = read_tokenizer_folder(folder) if complete else fingerprint_hf_folder(folder)
    vocabulary = vocabulary_in(description, folder, mapped_special_tokens(folder))
    names = vocabulary.names
    special = {
        role: name
        for role in ROLES
        if (number := info.special_ids[f"{role}_id"]) is not None and (name := names[number]) is not None
    }
    marked = {token["content"] for token in description.get("added_tokens") or () if token.get("special")}
    others = sorted((marked | mapped_special_tokens(folder)) & ids.keys(), key=ids.__getitem__)
    model, warnings = _model_beside(folder, vocabulary)
    return ExistingTokenizer(
        folder, {**description, "truncation": None, "padding": None}, vocabulary, special,
        [name for name in others if name not in special.values()], model, settings_in(folder, description), complete, warnings,
    )  # fmt: skip


def _check_backend(folder: Path, description: dict[str, Any], ids: dict[str, int]) -> None:
    """Raises DataError unless the library gives every token the id of the file: it numbers added tokens by itself."""
    loaded = backend_of(description, folder / JSON).get_vocab(with_added_tokens=True)
    if moved := sorted(name for name, number in ids.items() if loaded.get(name) != number):
        first = moved[0]
        raise DataError(
            f"{folder / JSON}: {len(moved):,} tokens get other ids when it is read, such as {first!r}: {loaded.get(first)} "
            f"instead of {ids[first]}; added_tokens must be numbered without gaps after the vocabulary, save the tokenizer again",
            rule="added-token-ids",
        )


def _model_beside(folder: Path, vocabulary: Vocabulary) -> tuple[bytes | None, tuple[str, ...]]:
    """``tokenizer.model`` of a folder if it has the pieces of ``tokenizer.json``, else why it is not used."""
    path = folder / MODEL
    if not path.is_file():
        return None, ()
    content = path.read_bytes()
    try:
        pieces = read_model(content, path).vocabulary.names
    except DataError as error:
        return None, (f"{MODEL} is not used: {error}",)
    if pieces != vocabulary.names:
        return None, (f"{MODEL} is not used: its {len(pieces):,} pieces are not those of {JSON}",)
    return content, ()


def _read_model(file: Path, source: Path) -> ExistingTokenizer:
    """Reads a SentencePiece model, a file or in the folder ``source``, whose ``tokenizer.json`` is made here."""
    if (source / MARKER).is_file() or is_tiktoken(file):
        raise DataError(f"{source}: has no {JSON}; {SAVE}", rule="missing-file")
    content = file.read_bytes()
    model = read_model(content, file)
    warnings = _check_model(model, file)
    description = describe_model(model, file)
    names = model.vocabulary.names
    ids = {name: number for number, name in enumerate(names) if name is not None}
    special = {
        role: name
        for role in ROLES
        if (number := model.vocabulary.special_ids.get(f"{role}_id")) is not None
        and (name := names[number]) is not None
    }
    if source.is_dir():
        _refuse_added_tokens(source, model.vocabulary.size)
        for name in ("special_tokens_map.json", "tokenizer_config.json"):
            special |= {role: token for role, token in _roles_in(source / name) if token in ids}
    control = [names[number] for number in model.vocabulary.numbers(CONTROL, UNKNOWN)]
    others = [name for name in control if name is not None and name not in special.values()]
    return ExistingTokenizer(
        source, description, model.vocabulary, special, others, content, settings_in(source, description), False, warnings
    )  # fmt: skip


def _check_model(model: SentencePieceModel, file: Path) -> tuple[str, ...]:
    """Warnings about a BPE model. Raises DataError with every defect that a ``tokenizer.json`` could not have."""
    if model.vocabulary.algorithm != "bpe":
        return ()
    base = SentencePieceBase(file, model.content, None)
    base.allow_unreachable = True
    base.check()
    return tuple(d.message for d in base.defects if d.rule != "unreachable-pieces")


def _roles_in(path: Path) -> Iterator[tuple[str, str]]:
    for name, token in object_in(path).items():
        role = name.removesuffix("_token")
        token = token.get("content") if isinstance(token, dict) else token
        if role in ROLES and role != name and isinstance(token, str):
            yield role, token


def _refuse_added_tokens(folder: Path, size: int) -> None:
    """Raises DataError for tokens that only Python code of transformers adds to a model."""
    decoder = object_in(folder / "tokenizer_config.json").get("added_tokens_decoder") or {}
    numbers = [*map(int, decoder), *object_in(folder / "added_tokens.json").values()]
    beyond = [number for number in numbers if isinstance(number, int) and number >= size]
    if beyond:
        raise DataError(
            f"{folder}: adds {len(beyond):,} tokens to its {MODEL}, which has {size:,}, but there is no {JSON}; {SAVE}",
            rule="missing-file",
        )


def _with_eos(found: ExistingTokenizer, eos_token: str | None, field: str) -> ExistingTokenizer:
    """With ``eos_token`` as EOD. Raises DataError, which names ``field``, if there is none or the tokenizer lacks it."""
    name = eos_token or found.special.get("eos")
    likely = [token for token in (*found.special.values(), *found.others) if "end" in token or "eos" in token]
    hint = f", such as {likely[0]}" if likely else ""
    if name is None:
        message = f"{found.path}: names no token that ends documents; set {field} to it{hint}"
        raise _problem(field, message, "no-eos-token")
    if name not in found.vocabulary.names:
        message = f"{name!r} is not a token of {found.path}; write one of its special tokens{hint}"
        raise _problem(field, message, "unknown-token")
    if name == found.special.get("eos"):
        return found
    special = {**found.special, "eos": name}
    tokens = [*found.special.values(), *found.others]
    others = [token for token in dict.fromkeys(tokens) if token not in special.values()]
    return replace(found, special=special, others=others, complete=False)


# --- writing ---------------------------------------------------------------------------------------------


def write_existing(found: ExistingTokenizer, folder: Path) -> TokenizerInfo:
    """Writes the tokenizer as a folder of this project, unproven: the same ids for every text."""
    if found.complete:
        return copy_tokenizer_folder(found.path, folder)
    return write_tokenizer_folder(
        folder, found.description, found.special, found.model, found.others, found.settings
    )


# --- pieces ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OddPieces:
    """``unreachable``: pieces that the model does not form even of their own text; ``duplicates``: texts of several pieces;
    ``gaps``: ids without a piece."""

    unreachable: list[str]
    duplicates: list[str]
    gaps: int


def find_odd_pieces(found: ExistingTokenizer) -> OddPieces:
    """The search takes a second for 100,000 pieces. Only BPE and Unigram models can have unreachable pieces."""
    vocabulary = found.vocabulary
    plain = not (vocabulary.spelling.inside or vocabulary.spelling.last)
    normal = [(number, piece.text) for number, piece in enumerate(vocabulary.pieces) if piece.kind == NORMAL]
    unreachable = []
    if plain and vocabulary.algorithm in ("bpe", "unigram"):
        description = {**found.description, "model": {**found.description["model"], "dropout": None}}
        model = backend_of(description, found.path).model
        unreachable = [text for number, text in normal if [t.id for t in model.tokenize(text)] != [number]]
    contents = [vocabulary.contents[number] for number in vocabulary.numbers(NORMAL, USER_DEFINED)]
    times = Counter(content for content in contents if content is not None) if plain else {}
    duplicates = [text.decode("utf-8", "backslashreplace") for text, count in times.items() if count > 1]
    return OddPieces(unreachable, duplicates, len(vocabulary.numbers(GAP)))


def refuse_eos_in_text(found: ExistingTokenizer, field: str = FIELDS[1]) -> None:
    """Raises DataError if text is encoded to EOD, so that the ends of documents could not be told from text."""
    name, backend = found.special["eos"], backend_of(found.description, found.path)
    number = found.vocabulary.names.index(name)
    for text in (name, backend.decode([number], skip_special_tokens=False)):
        if number in backend.encode(text, add_special_tokens=False).ids:
            message = f"text is encoded to {name!r}, so it cannot end documents; choose a special token of {found.path}"
            raise _problem(field, message, "eos-in-text")


def describe_odd_pieces(odd: OddPieces) -> list[str]:
    """One warning for each kind that occurs."""
    warnings = []
    if odd.unreachable:
        warnings.append(format_names("pieces are unreachable: no text is encoded to them", odd.unreachable))
    if odd.duplicates:
        warnings.append(format_names("texts have several pieces", odd.duplicates))
    if odd.gaps:
        warnings.append(f"{odd.gaps:,} ids have no token")
    return warnings
