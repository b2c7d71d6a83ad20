"""Links of wikis: what the page shows of a link to an article, a file, another wiki or an address.

Owns the namespaces whose links have no text.
"""

from __future__ import annotations

import re

from preprocessing.markup.wiki_media import MEDIA, SOUNDS, is_framed, picture_caption

# Namespaces of Korean and English wikis whose links have no text.
CATEGORY = frozenset(
    (
        "category",
        "분류",
        "カテゴリ",
        "分类",
        "分類",
        "kategorie",
        "catégorie",
        "categoría",
        "categoria",
        "kategori",
        "категория",
    )
)
NAMESPACES = frozenset((
    "user", "사용자", "talk", "토론", "project", "위키백과", "wikipedia", "template", "틀", "portal", "포털", "module",
    "모듈", "help", "도움말", "special", "특수", "특수기능", "mediawiki", "미디어위키", "draft", "초안", "w", "wikt", "s",
    "commons", "사용자토론", "위키프로젝트", "위키낱말사전",
))  # fmt: skip
# An address ends at a blank, a quotation mark, a tag, emphasis or a bracket; its label may have brackets.
EXTERNAL = re.compile(
    r"\[(?:(?:(?:https?|ftp|ircs?|git):)?//|mailto:|tel:|news:)(?:(?!'')[^\s\[\]<>\"]){1,2000}+[ \t\u3000]{0,20}+"
    r"((?:[^\[\]\n]|\[[^\[\]\n]{0,300}\]){0,2000}+)\]",
    re.IGNORECASE,
)
_BEHIND_NAME = re.compile(r"[ _]\([^()]*\)$")
_SUBPAGE = re.compile("^/([^/]{1,200})/$")
_LANGUAGE_PREFIX = re.compile(r"(?:[a-z]{2,3}|zh-[a-z-]{2,14}|simple)")


def link_text(parts: list[str]) -> str:
    """The text that the page shows; further bars belong to it."""
    target, label = parts[0].strip(), "&#124;".join(parts[1:]).strip()
    named = target
    if ":" in target:
        written, _, rest = target.partition(":")
        prefix = written.strip().lower().replace(" ", "")
        if prefix in MEDIA or (len(parts) > 2 and is_framed(parts[1:])):
            return picture_caption(parts[1:])
        if prefix in CATEGORY or (prefix in SOUNDS and not label):
            return ""
        if len(parts) == 1 and _LANGUAGE_PREFIX.fullmatch(written.strip()) and rest[:1].strip("/"):
            return ""  # a link to the article in another language, unlike [[CSI: NY]]
        named = rest if prefix in NAMESPACES else target
    if len(parts) == 1:
        target = _SUBPAGE.sub(r"\1", target.removeprefix(":").replace("_", " "))
        return target.replace("#", "&#35;", 1) if target.startswith("#") else target  # not a mark of a list
    return label or _BEHIND_NAME.sub("", named).strip()  # the text of [[a (b)|]] is a
