"""What is read: inputs made of records with fields, and the choice of all kinds of input."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import FilePath, PositiveInt, section
from preprocessing.config.file_inputs import (
    MIB,
    CutInput,
    FilesInput,
    HtmlInput,
    Markup,
    SourceTreeInput,
    StdlibInput,
    TextInput,
    WarcInput,
    WikiDumpInput,
)

TEMPLATE_PLACE = re.compile(r"\{([\w.]+)\}")  # a field in a template
LanguageOfRecords = Literal["ko", "en", "code", "mixed", "other", "detect", "record"]


@section
class RecordsInput(CutInput):
    """An input of records with fields."""

    lang: LanguageOfRecords = "record"  # type: ignore[assignment]
    """Language of every document, which decides its rules; record: the field lang_field of each record; detect: found
    from the text."""
    text_field: str = "text"
    """Field of the text; a.b is the field b inside the field a."""
    templates: list[str] = Field(default_factory=list)
    """Text made of several fields, such as "{en}\\n\\n{ko}", instead of text_field; of several, one by hash of the id."""
    id_field: str = "id"
    """Field of the identity; records without it are named by file and line."""
    lang_field: str = "lang"
    """Field of the language (with lang: record)."""
    meta_fields: list[str] = Field(default_factory=list)
    """Fields that are carried along in meta, such as url; path and license help to judge source code."""
    markup: Markup = "auto"
    """Markup to turn into Markdown; auto: mediawiki for a source named wiki, else HTML in documents that hold tags; none:
    tags are text, as in documentation about HTML."""


@section
class JsonlInput(RecordsInput, FilesInput):
    type: Literal["jsonl"]
    """One JSON object a line, plain or compressed (.gz, .zst, .bz2, .xz). Plain files are cut at lines, .zst files of
    several frames at frames; a .gz, .bz2 or .xz file is one task."""


@section
class ParquetInput(RecordsInput, FilesInput):
    type: Literal["parquet"]
    """One document a row; files are cut at row groups. Only the columns that are named are read."""


@section
class HuggingfaceInput(RecordsInput):
    type: Literal["huggingface"]
    """A data set of Hugging Face: a local folder (save_to_disk, or .arrow and .parquet files) or a name on the hub."""
    path: FilePath
    """Local folder, or the name of a data set on the hub, which is streamed and needs the extra [datasets]."""
    configuration: str | None = None
    """Configuration (subset) of a data set on the hub."""
    split: str = "train"
    """Split to read."""
    revision: str | None = None
    """Commit of a data set on the hub; required there, so that the same documents are read again."""
    split_bytes: PositiveInt = 256 * MIB
    """Maximum bytes of local files in a task; a streamed data set is one task."""


Input = Annotated[
    Union[
        JsonlInput,
        ParquetInput,
        HuggingfaceInput,
        TextInput,
        SourceTreeInput,
        WarcInput,
        HtmlInput,
        WikiDumpInput,
        StdlibInput,
    ],
    Field(discriminator="type"),
]
