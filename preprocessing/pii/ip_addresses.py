"""IP addresses, told apart from versions by the words and signs around them.

Facts: private, local and multicast ranges (RFC 1918, 3927, 5735) belong to nobody; addresses for documentation (RFC 5737,
3849) replace real ones, and a model should write neither. Version 6: global unicast addresses (RFC 4291). ``ip_words`` owns the
words.
"""

from __future__ import annotations

import ipaddress
import re

from preprocessing.pii import ip_words as words
from preprocessing.pii.pattern import (
    Match,
    Part,
    Pattern,
    is_in_code,
    is_numbered_thing,
    text_after,
    text_before,
)
from preprocessing.pii.table_columns import title_of_column

SMALL = 32
"""Four numbers below this are the section of a standard or a version, unless the text calls them an address."""
SMALL_FIRST = 48
"""Four numbers below this are a version unless the text mentions an address; of addresses, few are."""
LARGE = 100
"""Four numbers whose first is below SMALL, with at most two of this size, are a version unless the text mentions an address."""
BEFORE, BEHIND = 64, 32
"""Characters in which words count."""

_IPV4 = re.compile(
    rf"(?<=side:){words.QUAD}(?=/[0-9]{{1,5}}(?![0-9]))|(?<![0-9.])(?:(?<![0-9A-Za-z_]-)|(?<=[Ii][Pp]-)){words.QUAD}(?![0-9A-Za-z_]|\.(?![0-9]{{1,5}}(?: > |: Flags|: UDP))[0-9A-Za-z]|/[0-9]{{3}}|-[0-9]*[A-Za-z]|%)"
)
# an address of version 4 written in version 6 (RFC 4291, 6052)
_MAPPED = re.compile(r"(?<![0-9A-Za-z_:.])(?:::(?i:ffff):(?:0:)?|64:(?i:ff9b)::)\Z")
_YEAR_AND_NUMBER = re.compile("20[0-9]{2}::[0-9]{1,4}")
_IPV6 = re.compile(
    r"(?:(?<![0-9_:.])|(?<=[PpVv]6:)|(?<=src:)|(?<=[^0-9A-Fa-f_:.]:))[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?<![^:]:)"
    r"(?![0-9A-Za-z_]|:(?![0-9]{5}(?![0-9A-Za-z]))[0-9A-Za-z_:])"
)
_MALWARE = re.compile("악성 ?코드[^0-9A-Za-z\n]{0,4}\\Z")
_MASKED_ABOVE = re.compile(r"(?:\A|\n)(?P<above>[^\n]*?)<\|ip\|+>[^\n]*\n(?P<line>[^\n]*)\Z")
_BORDER = re.compile(r"[|,;\t]| {2,}")


def _check_ipv4(match: Match) -> Part | None:
    """Rejects networks, private and local addresses, and versions."""
    numbers = [int(part) for part in match[0].split(".")]
    front, rest = text_before(match, BEFORE), text_after(match, BEHIND)
    if (
        is_in_code(match, words.TOUCHES_ADDRESS)
        or _is_nobodys(*numbers)
        or _is_network(match[0], front, rest)
    ):
        return None
    if words.DEPENDENCY.search(front):
        return None
    if words.CALLED_ADDRESS.search(front) or _MAPPED.search(front) or front.endswith("://"):
        return match.span()
    if _is_surely_named(match, front, rest):
        return match.span()
    if max(numbers) < SMALL:
        return None
    if words.VERSION.search(front) or _is_time(numbers, front):
        return None
    if is_numbered_thing(match) and not _MALWARE.search(front):
        return None
    if words.PREFIX.match(rest):
        return match.span()
    if not words.USED_AS_ADDRESS.match(rest) and _is_version(front, rest):
        return None
    return (
        match.span() if not _looks_like_version(numbers) or _has_sign(match, numbers, front, rest) else None
    )


def _is_surely_named(match: Match, front: str, rest: str) -> bool:
    """True where a key, a command, a prefix or the title of the column makes even four small numbers an address."""
    if words.SURELY_NAMED.search(front) or words.PREFIX.match(rest) or words.ICMP_BEHIND.match(rest):
        return True
    if words.NAMED_BY_TITLE.search(title_of_column(match)) is not None:
        return True
    return _is_cell(front, rest) and _is_below_masked(match)


def _has_sign(match: Match, numbers: list[int], front: str, rest: str) -> bool:
    """True where a word or a sign of an address is near."""
    if (
        words.SERVER_PRODUCT.search(front)
        or words.PRODUCT_SUBJECT.search(front)
        or words.IN_PATH.search(front)
        or numbers[1:3] == [0, 0]
    ):
        return False
    if (
        words.NAMES_ADDRESS.search(front)
        or words.ADDRESS_BEHIND.match(rest)
        or words.AFTER_TIME.search(front)
    ):
        return True
    if words.NEAR_ADDRESS.search(f"{front} {rest}") or words.NAMES_ADDRESS.search(
        title_of_column(match) + ":"
    ):
        return True
    if words.AFTER_PLACEHOLDER.search(match.string, max(0, match.start() - 48), match.start()):
        return True
    if (
        words.HOP_BEHIND.match(rest)
        or words.AFTER_NETWORK.search(front)
        or _is_among_others(numbers, front, rest)
    ):
        return True
    if _is_like_address(numbers) and _is_used(front, rest):
        return True
    if (max(numbers) >= LARGE or numbers[1] >= SMALL) and _stands_free(front, rest):
        return True
    if words.AFTER_HOST.search(front):
        return True
    if words.AT_LINE_START.search(front) and (words.HOST_BEHIND.match(rest) or words.DATE_BEHIND.match(rest)):
        return True
    if rest.startswith((f" ({match[0]})", f"[{match[0]}]")):  # a hop of a route
        return True
    if front.endswith((f"{match[0]} (", f"{match[0]}[")):
        return True
    if words.IN_BRACKETS.search(front) and words.BRACKETS_BEHIND.match(rest):
        return True
    if not _is_cell(front, rest):
        return False
    return sum(number >= LARGE for number in numbers) == 2 or _is_below_masked(match)


def _looks_like_version(numbers: list[int]) -> bool:
    """True for small numbers and for a second number 0; such an address needs a word or sign of an address nearby."""
    documentation = numbers[:3] in ([203, 0, 113], [192, 0, 2])
    large = sum(number >= LARGE for number in numbers)
    if numbers[0] < SMALL_FIRST and max(numbers) < SMALL_FIRST:
        return True
    return (numbers[0] < SMALL and large < 3) or (numbers[1] == 0 and not documentation)


def _is_like_address(numbers: list[int]) -> bool:
    """True for numbers that versions hardly have: two from SMALL on, one of them large."""
    return max(numbers) >= LARGE and sum(number >= SMALL for number in numbers) >= 2


def _is_among_others(numbers: list[int], front: str, rest: str) -> bool:
    """True for an item of a list beside another address: versions in a list share their first numbers."""
    for found in (words.ADDRESS_BEFORE.search(front), words.ADDRESS_NEXT.match(rest)):
        if found and (abs(int(found["a"]) - numbers[0]) > 1 or abs(int(found["b"]) - numbers[1]) >= SMALL):
            return True
    return False


def _is_used(front: str, rest: str) -> bool:
    """True where a sentence goes on behind the numbers, or a label, a command or a name in brackets comes before them."""
    if words.PARTICLE_BEHIND.match(rest) or words.SHOWN_BEHIND.match(rest):
        return True
    if words.LABELED.search(front) and not words.OWNER_BEHIND.match(rest):
        return True
    if words.COUNTRY_BEHIND.match(rest):
        return True
    if words.TOUCHES_BRACKET.search(front) and rest.startswith(")"):
        return True
    return words.AT_LINE_START.search(front) is not None and words.SENTENCE_BEHIND.match(rest) is not None


def _stands_free(front: str, rest: str) -> bool:
    """True where the numbers belong to no name before or behind them, or a wiki shows them as the name of a user."""
    if words.WIKI_BEHIND.match(rest):
        return True
    return words.STANDS_FREE.search(front) is not None and not words.OWNER_BEHIND.match(rest)


def _is_cell(front: str, rest: str) -> bool:
    """True between the borders of lines and columns."""
    return words.CELL_BEFORE.search(front) is not None and words.CELL_BEHIND.match(rest) is not None


def _is_below_masked(match: Match) -> bool:
    """True where the line above has masked data in the same column."""
    found = _MASKED_ABOVE.search(match.string[: match.start()])
    return found is not None and len(_BORDER.findall(found["above"])) == len(_BORDER.findall(found["line"]))


def _is_nobodys(a: int, b: int, c: int, d: int) -> bool:
    """True for private, local, shared (RFC 6598), multicast and reserved addresses."""
    return (
        a in (0, 10, 127)
        or a >= 224
        or (a, b) in ((192, 168), (169, 254))
        or (a == 172 and 16 <= b < 32)
        or (a == 100 and 64 <= b < 128)
    )


def _is_network(address: str, front: str, rest: str) -> bool:
    """True for "/24" or a mask behind an address whose other bits are 0, for "/8" and the like that are no prefix of a
    host, and for two zeros at the end."""
    if address.endswith(".0.0"):
        return True
    if address.endswith(".0") and words.MASK_BEHIND.match(rest):
        return True
    if not rest.startswith("/") or front.endswith(("side:", "dmz:")):  # a port in logs of firewalls
        return False
    prefix = words.PREFIX.match(rest)
    if prefix is None:
        return rest[1:2].isdigit()
    length = int(prefix[1])
    if length == 32:
        return False  # a single host
    return not 8 <= length < 32 or int(ipaddress.IPv4Address(address)) & (2 ** (32 - length) - 1) == 0


def _is_time(numbers: list[int], front: str) -> bool:
    """True for hour, minute, second and their fraction after a date."""
    hour, minute, second, _ = numbers
    return hour < 24 and minute < 60 and second < 60 and words.AFTER_DATE.search(front) is not None


def _is_version(front: str, rest: str) -> bool:
    """True when the text around four numbers names a version, a product or a place in a document, or the four numbers
    before them are one."""
    if words.PLACE_IN_TEXT.search(front) or words.PLACE_BEHIND.match(rest):
        return True
    if words.VERSION.search(front) or words.VERSION_BEHIND.match(rest):
        return True
    if words.PRODUCT.search(front) or words.UPGRADE.search(front):
        return True
    named = words.PRODUCT_TOKEN.search(front) or words.REQUIREMENT.search(front)
    if named and not (
        _is_name_of_address(named.groupdict())
        or words.SETTING.search(front)
        or words.AFTER_HOST.search(front)
    ):
        return True
    before = words.AFTER_QUAD.search(front)
    return before is not None and _is_version(front[: before.start()], "")


def _is_name_of_address(names: dict[str, str | None]) -> bool:
    name = names.get("name") or names.get("spaced")
    if name is None or name.lower() in ("curl", "wget", "nmap", "nc"):  # the products of a header
        return False
    return words.NAME_OF_ADDRESS.match(re.split(r"[._-]", name)[-1]) is not None


def _check_ipv6(match: Match) -> Part | None:
    """Requires a valid global unicast address (2000::/3, RFC 4291); rejects networks such as 2001:db8:: and years ("2004::")."""
    if is_in_code(match, words.TOUCHES_ADDRESS) or match[0].endswith("::"):
        return None
    text = _without_port(match)
    address = _parse(text)
    if address is None:
        return None
    prefix = words.PREFIX.match(text_after(match, 5))
    if prefix and int(prefix[1]) < 128 and int(address) % (1 << (128 - int(prefix[1]))) == 0:
        return None
    if _YEAR_AND_NUMBER.fullmatch(match[0]) and not words.NAMES_ADDRESS.search(text_before(match, 32)):
        return None
    return match.start(), match.start() + len(text)


def _parse(text: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def _without_port(match: Match) -> str:
    """The match without the port that a list of sockets writes behind one more colon, where the rest is an address."""
    host, _, port = match[0].rpartition(":")
    of_socket = words.SOCKETS.search(match.string, max(0, match.start() - 2 * BEFORE), match.start())
    return host if of_socket and port.isdigit() and _parse(host) else match[0]


IPS = (
    Pattern("ip", r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _IPV4, _check_ipv4),
    Pattern("ip", r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:", _IPV6, _check_ipv6),
)
