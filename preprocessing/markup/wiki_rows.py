"""Templates of wikis that show lists, rows and tables: names of players, episodes, results, populations, climate.

Owns the wikitext that replaces them; templates whose rows only one wiki knows are recognized by words of their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from preprocessing.markup.wiki_arguments import Named, first_of, is_technical
from preprocessing.markup.wiki_countries import country_name
from preprocessing.markup.wiki_lines import BREAK, ROW
from preprocessing.markup.wiki_media import is_file_name
from preprocessing.markup.wiki_names import NO_NAMED_ROW, is_named_as

_LINES = frozenset((
    "plainlist", "plain_list", "flatlist", "flat_list", "startplainlist", "가로목록", "일반목록", "div_col", "다단", "multicol",
    "columns-list", "column-list", "col-list", "cmn", "columns_list", "여러단", "단목록", "verse_translation",
))  # fmt: skip
_INLINE = frozenset(("hlist", "cslist", "comma_separated_entries", "나열", "쉼표목록"))
_ITEMS = frozenset((
    "ubl", "unbulleted_list", "ublist", "bulleted_list", "blist", "bulletedlist", "글머리목록", "ordered_list", "목록글", "조상표", "ahnentafel",
))  # fmt: skip
FOLDED = frozenset((
    "collapse", "collapsible_list", "hidden", "접이식목록", "접을수있는목록", "접기", "숨김", "숨기기", "접은글", "펼치기", "접힌글", "ctop", "대화", "대사", "가사", "lyrics",
))  # fmt: skip
_FOLDING = re.compile("접[기이은을힌]|펼치")
_DIALOGS = frozenset(("대화", "대사"))  # who speaks may be the name of an argument
_FOLD_BEGINS = re.compile(
    "(?:접[기이은을힌]|펼치|숨[김기]|번역|증명|풀이|해설|예제|proof|hidden|collapse|trans).*(?:시작|begin|start|top)$"
)
_CLADES = frozenset(("clade", "계통도", "계통수", "분기도", "cladogram"))
_TRACKS = frozenset(("곡목록", "트랙목록", "tracklist", "track_listing", "track_list"))
_TRACK_FIELD = re.compile("([a-z_가-힣]{1,20}?)([0-9]{1,3})")
_SONGS, _LENGTHS = ("title", "제목", "곡", "곡명", "노래"), ("길이", "length", "시간", "재생시간")
_ROW = re.compile(
    r"player|선수단|(?<!국기)선수$|novel_list|candidate|후보|선거기록|선거결과|election_(?:box|results)|episode|에피소드|회차|방영목록|방송목록|출연진|cast_?list|"
    r"castlist|cast_listing|football_?box|(?:축구|야구|농구|배구|핸드볼)상자(?:접기)?$|경기(?:상자)?(?:접기)?$|(?:표|목록|명단|연표|기록|/)[줄행]$|경기결과|single_?match|순위표?행|fs_manager"
)
_SIZE = re.compile(r"[0-9.]{1,5}(?:px|em|%)?")  # of columns, or their number
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "year")
_KOREAN_TITLES: dict[str, str] = dict(
    zip(_MONTHS, [*(f"{month}월" for month in range(1, 13)), "연간"], strict=True)
)
_OF_MONTH = re.compile(rf"({'|'.join(_MONTHS)})[ _](.{{1,60}})")
_KOREAN_MONTHS = re.compile(r"(?:(1[0-2]|[1-9])월|연[간중])[ _]?(.{1,60})")
_DEGREES = re.compile(r" °?([cf])$")
_SCORE = re.compile(r"'{0,3}[0-9]{0,3}(?: ?\([^()]{1,20}\))?'{0,3}")  # with that of a shoot-out
_TEAM = re.compile("rd([0-9]{1,2})-team([0-9]{1,3})")
_TEAM_SCORE = re.compile("rd([0-9]{1,2})-score([0-9]{1,3})")
_BROKEN_ITEMS = re.compile(rf"{BREAK.pattern}[ \t]*\* ", re.IGNORECASE)
_YEAR = re.compile(r"[0-9]{3,4}년?")
_OF_COUNTRY = re.compile("nat(?:ion(?:ality)?)?|country|국적|국가|나라")
_COUNT = re.compile(r"[0-9][0-9,.]{0,15}%?명?")


def rows_text(key: str, plain: Sequence[str], named: Named, korean: bool = True) -> str | None:
    """Wikitext of a template named ``key``; None for a template without rows."""
    if key in _LINES:
        texts = [text for text in plain if not _SIZE.fullmatch(text)]
        return "\n" + "\n".join(texts) + "\n" if any(texts) else ""
    if key in _INLINE:
        return ", ".join(" ".join(text.split()) for text in plain if text)
    if key in _ITEMS:
        return _format_items(plain)
    if key in _TRACKS:
        return _format_tracks(named)
    if is_named_as(key, _FOLD_BEGINS):
        title = first_of(named, ("title", "제목", "header", "머리")) or "".join(plain[:1])
        return f"\n{title}\n" if title and not is_technical(title) and not _SIZE.fullmatch(title) else ""
    if (plain or named) and is_named_as(key, _ROW) and not is_named_as(key, NO_NAMED_ROW):
        of_list = key.endswith(("/sublist", "/부목록"))  # the first argument is the title of the list
        if len(plain) + len(named) < 2:
            return None  # one value is no row
        return format_row([*plain[of_list:], *name_countries(named, korean)])
    if key in _DIALOGS and not plain:
        return "".join(f"\n{speaker}: {text}" for speaker, text in named.items()) + "\n"
    if key in FOLDED or (is_named_as(key, _FOLDING) and not is_named_as(key, NO_NAMED_ROW)):
        title = first_of(named, ("title", "제목", "header", "1", "머리"))
        text = first_of(named, ("content", "내용", "2", "글", "가사"))
        return "\n" + "\n".join(dict.fromkeys(filter(None, [title, *plain, text]))) + "\n"
    if key in _CLADES:
        return f"\n{clade}\n" if (clade := _format_clade(plain, named)) else ""
    if _is_bracket(plain):
        return _format_bracket(plain)
    if teams := _teams_of(named):
        return _format_matches(teams, named)
    if _is_climate(named):
        return _format_climate(named)
    series = [*plain, *(value for name, value in named.items() if name.isdecimal())]
    if _is_series(series):
        title = first_of(named, ("title", "제목"))
        return f"\n{title}" * bool(title) + _table(
            [["", ""], *map(list, zip(series[::2], series[1::2], strict=False))]
        )
    return None


def _format_items(texts: Sequence[str]) -> str:
    items = [" ".join(text.split()) for text in texts if text]
    return "\n" + "\n".join(f"* {item}" for item in items) + "\n" if items else ""


def format_row(values: Sequence[str], fewest: int = 2) -> str:
    """One row with the values that are text, not colors, files or sizes; the items of a template of rows."""
    values = [BREAK.sub("\n", value) if _BROKEN_ITEMS.search(value) else value for value in values]
    items = [value for value in values if value.lstrip("\n").startswith(("* ", ROW))]
    texts = [
        " ".join(BREAK.sub(" ", value).split()).lstrip("*#:; ") for value in values if value not in items
    ]
    texts = [text for text in texts if text and not is_technical(text) and not is_file_name(text)]
    row = [ROW + ROW.join(texts)] if texts and (items or len(texts) >= fewest) else []
    return "\n" + "\n".join([*row, *items]) + "\n" if row or items else ""


def name_countries(named: Named, korean: bool) -> list[str]:
    """The values of a row; a code of a country is its name."""
    return [
        country_name(text, korean) or text if _OF_COUNTRY.fullmatch(name) else text
        for name, text in named.items()
    ]


def _format_clade(plain: Sequence[str], named: Named) -> str:
    """Nested items for the groups of a tree; a group without a name adds its members to those around it."""
    lines = []
    for number, text in enumerate(plain, 1):
        label, text = named.get(f"label{number}", ""), text.strip()
        members = text.split("\n") if text.startswith("*") else [f"* {text}"] if text else []
        lines += [f"* {label}", *(f"*{member}" for member in members)] if label else members
    return "\n".join(lines)


def _is_bracket(plain: Sequence[str]) -> bool:
    """Whether the arguments are matches: day and place, a team and its score, another team and its score."""
    return (
        len(plain) >= 10 and len(plain) % 5 == 0 and all(map(_SCORE.fullmatch, [*plain[2::5], *plain[4::5]]))
    )


def _format_bracket(plain: Sequence[str]) -> str:
    rows = (plain[at : at + 5] for at in range(0, len(plain), 5))
    return (
        "".join(
            f"\n{ROW}{ROW.join(filter(None, [about, f'{one} {score}'.strip(), f'{other} {its_score}'.strip()]))}"
            for about, one, score, other, its_score in rows
        )
        + "\n"
    )


def _format_tracks(named: Named) -> str:
    """A numbered list of the songs of an album, with their notes and authors, and their lengths behind these."""
    songs: dict[str, dict[str, str]] = {}
    for name, value in named.items():
        field = _TRACK_FIELD.fullmatch(name)
        if field and value:
            songs.setdefault(field[2], {})[field[1]] = value
    lines = [title] if (title := first_of(named, ("headline", "표제", "머리글"))) else []
    for song in songs.values():
        title = first_of(song, _SONGS)
        song = {field: value for field, value in song.items() if field not in _SONGS}
        fields = sorted(song, key=_LENGTHS.__contains__)
        about = ", ".join(dict.fromkeys(song[name] for name in fields))
        if title:
            lines.append(f"# {title} ({about})" if about else f"# {title}")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _teams_of(named: Named) -> dict[tuple[int, int], str]:
    """Teams of a bracket of matches, by round and place: ``RD1-team1=가|RD1-score1=3``."""
    keys = ((name, _TEAM.fullmatch(name)) for name in named)
    return {(int(key[1]), int(key[2])): named[name] for name, key in keys if key and named[name]}


def _format_matches(teams: Mapping[tuple[int, int], str], named: Named) -> str:
    """A row for each match of two teams, with the name of its round."""
    keys = ((name, _TEAM_SCORE.fullmatch(name)) for name in named)
    scores = {(int(key[1]), int(key[2])): named[name] for name, key in keys if key}
    rows: dict[tuple[int, int], list[str]] = {}
    for (number, place), team in sorted(teams.items()):
        title = named.get(f"rd{number}", "")
        row = rows.setdefault((number, (place + 1) // 2), [title] if title else [])
        row.append(f"{team} {scores.get((number, place), '')}".rstrip())
    return "".join(f"\n{ROW}{ROW.join(row)}" for row in rows.values()) + "\n"


def _is_series(plain: Sequence[str]) -> bool:
    """Whether the arguments are years and counts in turn: ``1721|65300|1750|113289|1800|172132``."""
    pairs = list(zip(plain[::2], plain[1::2], strict=False))
    return len(pairs) > 2 and all(_YEAR.fullmatch(year) and _COUNT.fullmatch(count) for year, count in pairs)


def _month_of(name: str) -> tuple[str, str] | None:
    if match := _OF_MONTH.fullmatch(name):
        return match[1], match[2]
    if match := _KOREAN_MONTHS.fullmatch(name):
        return _MONTHS[int(match[1] or len(_MONTHS)) - 1], match[2]
    return None


def _is_climate(named: Named) -> bool:
    return len(named) > 11 and sum(_month_of(name) is not None for name in named) > 11


def _format_climate(named: Named) -> str:
    """A table of measures by month."""
    measures: dict[str, dict[str, str]] = {}
    for name, value in named.items():
        month = _month_of(name)
        if month and value:
            measure = _DEGREES.sub(lambda unit: f" (°{unit[1].upper()})", month[1])
            measures.setdefault(measure, {})[month[0]] = value
    months = [month for month in _MONTHS if any(month in values for values in measures.values())]
    rows = [[measure, *(values.get(month, "") for month in months)] for measure, values in measures.items()]
    is_korean = any(map(_KOREAN_MONTHS.fullmatch, named))
    titles = [_KOREAN_TITLES[month] if is_korean else month.capitalize() for month in months]
    return _table([["", *titles], *rows]) if rows else ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A table of wikitext; the first row has the titles."""
    lines = ["", "{|", "! " + " !! ".join(rows[0])]
    for row in rows[1:]:
        lines += ["|-", "| " + " || ".join(row)]
    return "\n".join([*lines, "|}", ""])
