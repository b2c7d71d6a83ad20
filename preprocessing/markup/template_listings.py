"""Makes fences of listings between tags of Jekyll (``{% highlight java %}``), Hexo (``{% codeblock %}``) and Hugo (``{{< highlight go >}}``).

Their code would be read as Markdown otherwise: its tags would be markup, and its blanks would collapse.
"""

from __future__ import annotations

import re

from preprocessing.markup.indentation import LIST_MARK
from preprocessing.markup.markdown import fence_around
from preprocessing.text.fences import change_outside_fences

_CLOSING = ("endhighlight", "endcodeblock", "/highlight")
"""Words without one of which a text has no such listing."""
_ENDS = r"(?:\{%-?\s{0,9}end(?:highlight|codeblock)\s{0,9}-?%\}|\{\{[<%]\s{0,9}/highlight\s{0,9}[>%]\}\})"
_BEGINS = r"\{(?:%-?|\{[<%])\s{0,9}(?:highlight|codeblock)\b"
_LISTING = re.compile(
    rf"^(?P<before>[ \t>]*(?:{LIST_MARK}[ \t]+)?)(?:\{{%-?|\{{\{{[<%])\s{{0,9}}(?P<name>highlight|codeblock)\b(?P<options>[^%{{}}<>\n]{{0,500}}?)"
    rf"-?(?:%|[>%]\}})\}}[ \t]*\n?(?P<code>(?:(?!{_ENDS}|{_BEGINS})[\s\S]){{0,100000}})(?P<ends>{_ENDS})[ \t]*$",
    re.MULTILINE,
)
_OPTION = re.compile(
    r"\s{0,9}\b(?:lang|url|line_number|line_threshold|first_line|highlight|mark|wrap|https?):\S{1,500}"
)
_LANGUAGE = re.compile(r"[\s\"']{0,9}([\w+#.-]{1,40})")
_LANGUAGE_OF_BLOCK = re.compile(r"\blang:([\w+#.-]{1,40})")


def fence_listings(text: str) -> str:
    """The text with fences instead of the tags, outside of fences."""
    if not any(word in text for word in _CLOSING):
        return text
    return change_outside_fences(text, lambda part: _LISTING.sub(_fence, part))


def _fence(listing: re.Match[str]) -> str:
    """A fence behind what is before the tag; the title of a block of Hexo is a line above it."""
    code, options, before = listing["code"], listing["options"], listing["before"]
    is_block = listing["name"] == "codeblock"
    language = (_LANGUAGE_OF_BLOCK.search if is_block else _LANGUAGE.match)(options)
    title = _OPTION.sub("", options).strip() if is_block else ""
    end = code[code.rfind("\n") + 1 :] if "\n" in code else ""
    code = code[: len(code) - len(end)].rstrip("\n") if not end.strip(" \t>") else code
    end = end if not end.strip(" \t>") else ""
    fence = fence_around(code)
    above = f"{before}{title}\n\n{end}" if title else before
    return f"{above}{fence}{language[1] if language else ''}\n{code}\n{end}{fence}"
