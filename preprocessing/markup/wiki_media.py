"""Captions of pictures in wikitext: of [[File:...]], <gallery> and templates of several pictures.

Owns which words of a picture the page shows, and where they go: a caption becomes a paragraph of its own, beside the
paragraph in which the picture stands; in a table it stays in its cell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# Namespaces of Korean and English wikis, and of a few others
MEDIA = frozenset((
    "file", "image", "파일", "그림", "ファイル", "画像", "文件", "檔案", "图像", "圖像", "datei", "bild", "fichier",
    "archivo", "imagen", "immagine", "ficheiro", "файл", "изображение", "bestand",
))  # fmt: skip
SOUNDS = frozenset(("media", "미디어"))  # a link to the file itself
_SHOWN = frozenset((
    "thumb", "thumbnail", "frame", "framed", "섬네일", "썸네일", "축소판", "프레임", "mini", "vignette", "サムネイル", "缩略图",
    "縮圖",
))  # fmt: skip
_OPTION = re.compile(
    r"right|left|none|오른쪽|왼쪽|가운데|없음|cent(?:er|re)|border|테두리|frameless|프레임없음|baseline|middle|sub|super|top|bottom|"
    r"text-top|text-bottom|위쪽?|아래쪽?|중간|글자위|글자아래|upright|위오른쪽|"
    r"[0-9]{0,5}\s{0,3}x?\s{0,3}[0-9]{0,5}\s{0,3}(?:px|픽셀)?|"
    r"(?:alt|link|lang|page|class|upright|thumb|thumbtime|start|end|대체글|링크|언어|문서|쪽|클래스|위오른쪽|섬네일)\s{0,3}=[\s\S]*",
    re.IGNORECASE,
)
_GALLERY_OPTIONS = re.compile(
    r"\s{0,20}(?:(?:alt|link|page|lang|대체글|링크)\s{0,3}=[^|\[\]]{0,500}(?:\||$)\s{0,20}){1,8}",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"[^|\n]{1,255}\.(?:svg|png|jpe?g|gif|tiff?|webp|ogg|oga|ogv|webm|mp3|wav|pdf|djvu)", re.IGNORECASE
)
_CAPTIONS = re.compile(
    r"(?:caption|캡션|설명|그림설명|파일설명)[ _]?[0-9]{0,2}|footer|바닥글|header|머리글|제목|title"
)
GALLERIES = frozenset(
    (
        "multiple_image",
        "여러그림",
        "겹그림",
        "gallery",
        "갤러리",
        "그림모음",
        "multipleimages",
        "double_image",
        "파노라마",
        "파노라마상자",
        "panorama",
        "넓은그림",
        "wide_image",
    )
)
START, END = "\x02", "\x03"  # around a caption within its line
_CAPTION = re.compile(f"{START}([^{START}{END}]*){END}")
_ITEM_OF_CAPTIONS = re.compile(f"[*#]{{1,20}}[ \t]{{0,20}}{START}[^{START}{END}]*{END}[ \t]{{0,20}}$")
_GALLERY_CAPTION = re.compile(
    r"""\bcaption\s{0,5}=\s{0,5}(?:"([^"]{1,500})"|'([^']{1,500})'|([^\s"'>]{1,200}))"""
)


def picture_caption(options: Sequence[str]) -> str:
    """The marked caption of a picture with a frame, given what follows its name; empty for pictures without one."""
    if not is_framed(options):
        return ""
    words = [option.strip() for option in options]
    captions = [word for word in words if word and word.lower() not in _SHOWN and not _OPTION.fullmatch(word)]
    return mark_caption(captions[-1]) if captions else ""


def is_framed(options: Sequence[str]) -> bool:
    """Whether a picture has a frame, whose caption the page shows; also by ``thumb=small.png``."""
    return any(option.partition("=")[0].strip().lower() in _SHOWN for option in options)


def gallery_captions(attributes: str, content: str) -> str:
    """The captions of ``<gallery>`` as a list in wikitext."""
    title = _GALLERY_CAPTION.search(attributes)
    lines = [next(filter(None, title.groups()), "")] if title else []
    for line in content.split("\n"):
        options = _without_options(line.partition("|")[2])
        if options:
            lines.append(f"* {options}")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _without_options(text: str) -> str:
    options = _GALLERY_OPTIONS.match(text)
    text = text[options.end() if options else 0 :].strip()
    first, bar, rest = text.partition("|")
    return (
        rest.strip()
        if bar and (first.strip().lower() in _SHOWN or _OPTION.fullmatch(first.strip()))
        else text
    )


def gallery_template(plain: Sequence[str], named: Mapping[str, str]) -> str:
    """The captions of a template with several pictures."""
    texts = [value for name, value in named.items() if _CAPTIONS.fullmatch(name)]
    texts += [text for text in plain if not is_file_name(text)]
    return "".join(mark_caption(text) for text in texts if text and not _OPTION.fullmatch(text))


def is_file_name(text: str) -> bool:
    return _FILE_NAME.fullmatch(text.strip()) is not None


def is_sound(text: str) -> bool:
    return text.strip().lower().endswith((".ogg", ".oga", ".mp3", ".wav"))


def mark_caption(text: str) -> str:
    text = " ".join(_CAPTION.sub(r" \1 ", text).split())
    return f"{START}{text}{END}" if text else ""


def place_captions(text: str) -> str:
    """Moves marked captions out of their lines, except those of rows of tables."""
    if START not in text:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        if START not in line:
            lines.append(line)
        elif line.lstrip()[:1] in ("|", "!") or _ITEM_OF_CAPTIONS.match(line):
            lines.append(_CAPTION.sub(r" \1 ", line))
        else:
            captions = [part for caption in _CAPTION.findall(line) for part in ("", caption)]
            rest = _CAPTION.sub("", line)
            first = [*captions, "", rest] if line.startswith(START) else [rest, *captions, ""]
            lines += first if rest.strip() else [*captions, ""]
    return "\n".join(lines).replace(START, "").replace(END, "")
