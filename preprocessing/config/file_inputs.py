"""Configuration of inputs whose documents are files, pages of web archives, or wiki pages."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from megatron_ko.config.fields import FilePath, Flag, NonNegativeInt, PositiveInt, section

Markup = Literal[
    "auto", "none", "html", "mediawiki", "namumark", "latex", "rst", "asciidoc", "notebook", "org", "po"
]
NotebookOutputs = Literal["none", "text"]
LanguageOfInput = Literal["ko", "en", "code", "mixed", "other", "detect"]
Extractor = Literal["blocks", "resiliparse", "trafilatura"]

DETECT_ENCODING = "auto"


def _check_encoding(name: str) -> str:
    try:
        is_text = codecs.lookup(name)._is_text_encoding  # pyright: ignore[reportAttributeAccessIssue]
    except (LookupError, ValueError):
        is_text = False
    if not (is_text or name == DETECT_ENCODING):
        raise ValueError(
            f"unknown encoding {name!r}; use utf-8, cp949, utf-16 or another one that Python knows, or auto"
        )
    return name


Encoding = Annotated[str, AfterValidator(_check_encoding)]

MIB = 1 << 20
REFERENCE_SECTIONS = (
    "각주", "주석", "참고 문헌", "참고문헌", "참고 자료", "참고자료", "출처", "외부 링크", "외부링크", "바깥 고리",
    "같이 보기", "관련 항목", "둘러보기", "References", "Notes", "Footnotes", "Bibliography", "Sources", "Citations",
    "External links", "See also", "Further reading", "Works cited",
)  # fmt: skip


@section
class NamedInput:
    """Fields of every input."""

    type: str
    """Format of the input."""
    source: str | None = None
    """Name of the source in counts and domains; defaults to the name of the input."""


@section
class CutInput(NamedInput):
    """An input that is split into tasks."""

    lang: LanguageOfInput
    """Language of every document; it selects the rules. detect: detects the language of each document."""
    split_bytes: PositiveInt = 256 * MIB
    """Maximum bytes of a task: larger files are split where their format allows it, small files are grouped."""
    max_record_bytes: PositiveInt = Field(default=64 * MIB, ge=1024, le=1024 * MIB)
    """Maximum bytes of a record; longer records go to quarantine.jsonl without being loaded into memory."""


@section
class FilesInput(CutInput):
    """An input of files selected by patterns."""

    paths: list[FilePath] = Field(min_length=1)
    """Files or patterns (**, *, {a,b}), relative to the working directory; each must match at least one file. Hidden files and
    folders match only where the pattern has their dot (``**/.github/*.md``)."""


@section
class TextInput(FilesInput):
    type: Literal["text"]
    """One document per file; .jsonl files (also compressed) are read as records with a field text."""
    encoding: Encoding = "utf-8"
    """Encoding of files without a byte order mark, such as cp949; Python files may declare their own. auto: UTF-8, or CP949
    for a file that is Korean text in that encoding."""
    markup: Markup = "auto"
    """Markup that is converted to Markdown. auto: by the file suffix (.tex, .rst, .adoc, .org, .po, .wiki, .namu, .html, .ipynb), else
    mediawiki for a source named wiki, namumark for one named namuwiki, else HTML outside of code, in documents that contain tags; none: tags are text."""
    notebook_outputs: NotebookOutputs = "none"
    """What is kept of the outputs of notebook cells (.ipynb). text: what the cells print and return as text; never pictures,
    errors, or what is written to stderr."""


@section
class SourceTreeInput(CutInput):
    type: Literal["source_tree"]
    """Repositories: one document per source file, with its path and the license file that applies to it in meta."""
    roots: list[FilePath] = Field(min_length=1)
    """Folders, each one repository, or patterns (**, *, {a,b}) of such folders; each must match at least one folder."""
    lang: LanguageOfInput = "code"
    """Language of every file; it selects the rules. code: of all files but prose (.md, .rst, .tex, .txt) and notebooks
    (.ipynb), whose language is detected."""
    suffixes: list[str] = Field(default_factory=list)
    """File name endings to read; empty: those of the common programming languages."""
    encoding: Encoding = "utf-8"
    """Encoding of files without a byte order mark, as in a text input."""
    leave_out: list[str] = Field(
        default_factory=lambda: ["node_modules", "site-packages", "__pycache__", "vendor"]
    )
    """Names of folders to skip, besides hidden folders (names that start with a dot) and links."""
    notebook_outputs: NotebookOutputs = "none"
    """What is kept of the outputs of notebook cells (.ipynb), as in a text input."""
    split_bytes: PositiveInt = 256 * MIB
    """Maximum bytes of the files in a task."""
    max_record_bytes: PositiveInt = Field(default=MIB, ge=1024, le=1024 * MIB)
    """Maximum bytes of a file, of a notebook without its outputs; larger files go to quarantine.jsonl."""


@section
class WarcInput(FilesInput):
    type: Literal["warc"]
    """Web archives (.warc, .warc.gz, .warc.zst): the main content of HTML pages with status 200. Requires the extra [web]."""
    lang: LanguageOfInput = "detect"
    extractor: Extractor = "blocks"
    """What extracts the main content: blocks keeps its lists, tables and short cells; resiliparse (twice as fast) loses lists
    and keeps more menus; trafilatura is the slowest."""


@section
class HtmlInput(FilesInput):
    type: Literal["html"]
    """One HTML page per file. Requires the extra [web]."""
    lang: LanguageOfInput = "detect"
    main_content: Flag = True
    """Keeps only the main content; false: converts the whole page to Markdown."""
    extractor: Extractor = "blocks"
    """What extracts the main content: blocks keeps its lists, tables and short cells; resiliparse (twice as fast) loses lists
    and keeps more menus; trafilatura is the slowest."""


@section
class WikiDumpInput(FilesInput):
    type: Literal["wiki_dump"]
    """MediaWiki dumps (pages-articles .xml, also .bz2, .gz, .zst, .xz), converted to Markdown. Plain files are split at
    pages, multistream .bz2 files at streams; any other file is one task."""
    namespaces: list[NonNegativeInt] = Field(default_factory=lambda: [0])
    """Numbers of the namespaces to read; 0: articles."""
    with_title: Flag = True
    """Adds the title as a heading above the text."""
    left_out_sections: list[str] = Field(default_factory=lambda: list(REFERENCE_SECTIONS))
    """Headings of sections that are removed with all their subsections."""


@section
class StdlibInput(NamedInput):
    type: Literal["python_stdlib"]
    """Source code of the running Python's standard library without its tests, one document per module."""
    max_bytes: PositiveInt = 1_500_000
    """Maximum bytes to read; the seed selects the modules."""
