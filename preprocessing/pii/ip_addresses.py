"""IP addresses, told apart from versions and sections by the text around them.

Owns the forms of both versions, which addresses are nobody's, and the decision for version 4: the evidence of the context
(``ip_context``) and of the numbers themselves (``ip_numbers``) is added, and a sum above 0 is an address. Facts: private, local and multicast
ranges (RFC 1918, 3927, 5735) belong to nobody, and public resolvers are the same for everyone: neither is masked. Addresses for
documentation (RFC 5737, 3849) are masked, because they often replace a real one and a model should write neither. Version 6:
global unicast addresses (RFC 4291).
"""

from __future__ import annotations

import ipaddress
import re

from preprocessing.pii import ip_context
from preprocessing.pii.pattern import Match, Part, Pattern, is_in_code, text_after, text_before, touching
from preprocessing.pii.table_columns import title_of_column

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_QUAD = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_IPV4 = re.compile(
    rf"(?:(?<=side:)|(?<=/dev/tcp/)|(?<=/dev/udp/)){_QUAD}(?=/[0-9]{{1,5}}(?![0-9]))|(?<![0-9.])(?:(?<![0-9A-Za-z_]-)|(?<=[Ii][Pp]-)){_QUAD}(?![0-9A-Za-z_]|\.(?![0-9]{{1,5}}(?: > |: Flags|: UDP))[0-9A-Za-z]|/[0-9]{{3}}|-[0-9]*[A-Za-z]|%)"
)
# an address of version 4 written in version 6 (RFC 4291, 6052)
_MAPPED = re.compile(r"(?<![0-9A-Za-z_:.])(?:::(?i:ffff):(?:0:)?|64:(?i:ff9b)::)\Z")
_YEAR_AND_NUMBER = re.compile("20[0-9]{2}::[0-9]{1,4}")
_IPV6 = re.compile(
    r"(?:(?<![0-9_:.])|(?<=[PpVv]6:)|(?<=src:)|(?<=[^0-9A-Fa-f_:.]:))[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,8}(?<![^:]:)"
    r"(?![0-9A-Za-z_]|:(?![0-9]{5}(?![0-9A-Za-z]))[0-9A-Za-z_:])"
)
_ADDRESS = (
    "ip|ipv4|ipv6|servername|dhost|[lr]hosts?|[cs]-?ip|ip[ _-]?addr(?:ess)?|addr|address|host|hosts|hostname|server|client|peer|proxy|router|gateway|gw|dns|"
    "nameserver|ns[0-9]?|inet6?|tcp|udp|icmp|http|https|ssh|sftp|scp|ftp|rdp|vpn|ping|telnet|traceroute|whois|nslookup|"
    "dig|curl|nmap|nc|from|to|src|dst|source|destination|remote|remote_addr|origin|via|bind|listen|user|login|port|"
    "outside|inside|wan|x-forwarded-for|x-real-ip|node[0-9]*|master|slave|replica|standby|leader|broker|seeds?|eip|neighbor|endpoint|target|rip|lip|[sdrl]addr"
)
_TOUCHES = touching(_ADDRESS + "|(?-i:[a-z]+I[Pp])")
"""Words that may touch an address."""
_NAMED = re.compile(
    rf"(?:접속|서버|호스트|주소|아이피|(?<![0-9A-Za-z])(?i:{_ADDRESS}))(?: is| was)?[^0-9A-Za-z\n]{{1,6}}\Z"
)
_CALLED = re.compile(
    r"(?<![0-9A-Za-z_-])(?:아이피|발신지|출발지|목적지|주소|(?i:ip(?:v4)?(?:[ _-]?addr(?:ess)?)?|address|host(?:name)?|remote_addr|x-forwarded-for|x-real-ip))"
    r"(?: ?주소)?(?:[는은이가를을]| is| was)? ?[:=]? ?[\"'`(\[]?\Z"
)
"""Right before four numbers that are called an address; no version of the labeled cases has such a name before it."""
_VERSION_BEHIND = re.compile(
    r"[^0-9A-Za-z가-힣\n]{0,3}(?:버전|[절항장](?![가-힣]{2})|릴리스|빌드|패치|이상|이하|(?i:version|release|build|beta|or later))"
)
_HEADING_BEFORE = re.compile(r"(?:\A|\n)[ \t>]*#{1,6}[ \t]+(?:\*{2}|\[)?\Z")
_TITLE_BEHIND = re.compile(
    r"\.?(?:\*{2})?[ \t]+(?!서버|호스트|접속|장비|(?i:servers?|hosts?)(?![A-Za-z]))[^\W\d_]"
)
_SECTION_BEFORE = re.compile(
    r"(?:(?<![가-힣])(?:섹션|부록|단원|[절장항표]|그림|도표|수식|예제|코드|알고리즘)|(?<![A-Za-z])(?i:sections?|sec|chapters?|clauses?|appendix|tables?|figures?|fig)\.?|§)"
    r"[ \t]?[\[(]?\Z"
)
_SECTION_BEHIND = re.compile(
    r"[\])]?[ \t]?(?:(?:섹션|단원|[절장항])(?:에서는?|에는?|으로|로|의|을|를|은|는|이|가|과|와|도)?(?![가-힣])|(?i:sections?|chapters?)(?![A-Za-z]))"
)
LARGEST_OF_SECTION, LARGEST_OF_HEADING = 99, 63
"""Numbers of a section; a heading may name a server, too, so its numbers must be smaller."""
_SOCKETS = re.compile(r"(?:\A|\n)(?:tcp|udp)6? [^\n]*\Z")
"""Before an address in a list of sockets, where a port follows."""
_NETWORK_BEFORE = re.compile(
    "(?:(?<![A-Za-z])(?i:network|subnet)|네트워크|서브넷|대역)(?: ?(?:주소|address))?(?:은|는|이|가)? ?[:=]? ?\\Z"
)
_PREFIX = re.compile("/([0-9]{1,3})(?![0-9.])")
_OPERATED_FOR_ALL = (
    "1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220 4.2.2.1 4.2.2.2 94.140.14.14 94.140.15.15 "
    "114.114.114.114 223.5.5.5 223.6.6.6 77.88.8.8 168.126.63.1 168.126.63.2 210.220.163.82 219.250.36.130 164.124.101.2 203.248.252.2 "
    "2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111 2606:4700:4700::1001 2620:fe::fe 2620:fe::9"
)
_RESOLVERS = frozenset(_OPERATED_FOR_ALL.split())
"""Resolvers for everyone, as their operators publish them: Cloudflare, Google, Quad9, OpenDNS, Level 3, AdGuard, 114DNS, AliDNS,
Yandex, and of Korea KT, SK Broadband and LG U+."""
_DRAWN = re.compile(r"[-, A-Za-z]\.[0-9]|(?<=[0-9])-[0-9]+\.[0-9]+(?![.0-9])")
"""Numbers of a drawn path (SVG 1.1, section 8.3.9), which need no blank between them: "1.4-.09 1.48.22.78"."""
_MASK = re.compile(
    r" (?:netmask |mask )?(?:255|254|252|248|240|224|192|128)\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9])"
)

_DOCUMENTATION = re.compile(r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.")
"""RFC 5737; no product has such a version."""
_LINE_OF_HOSTS = re.compile(
    r"[ \t]+(?:[a-z0-9-]+\.)+(?:com|net|org|io|kr|jp|cn|us|eu|dev|ai|me|app|co|info|biz|xyz|site|shop|tech|cloud|local|lan|internal|corp|test)(?:[ \t]+[a-z0-9.-]+)*[ \t]*(?:#[^\n]*)?(?:\n|\Z)"
)
_MASK_V6 = re.compile("/[Ff]{4}:")


def _check_ipv4(match: Match) -> Part | None:
    """Rejects networks, private and local addresses, and what the evidence calls a version, unless it is called an address."""
    if is_excluded(match):
        return None
    front, rest = text_before(match, ip_context.BEFORE), text_after(match, ip_context.BEHIND)
    if _is_section(match[0], front, rest):
        return None
    if _DOCUMENTATION.match(match[0]) or _PREFIX.match(rest) or _MAPPED.search(front):
        return match.span()
    if _LINE_OF_HOSTS.match(match.string, match.end()) and not front.rpartition("\n")[2].strip(" \t#"):
        return match.span()
    if _CALLED.search(front) and not _VERSION_BEHIND.match(rest):
        return match.span()
    start, end = match.span()
    return (start, end) if ip_context.evidence(match.string, start, end, title_of_column(match)) > 0 else None


def _is_section(numbers: str, front: str, rest: str) -> bool:
    """True for small numbers that begin a heading before its title, and beside a word for a section, a table or a figure."""
    largest = max(map(int, numbers.split(".")))
    if largest > LARGEST_OF_SECTION:
        return False
    if largest <= LARGEST_OF_HEADING and _HEADING_BEFORE.search(front) and _TITLE_BEHIND.match(rest):
        return True
    return bool(_SECTION_BEFORE.search(front) or _SECTION_BEHIND.match(rest))


def is_excluded(match: Match) -> bool:
    """True for four numbers that are no person's address in any context: nobody's, a network, or a part of a name."""
    return (
        is_in_code(match, _TOUCHES)
        or match[0] in _RESOLVERS
        or _is_nobodys(*map(int, match[0].split(".")))
        or _is_drawn(match)
        or _is_network(match[0], text_before(match, ip_context.BEFORE), text_after(match, ip_context.BEHIND))
    )


def _is_nobodys(a: int, b: int, *_: int) -> bool:
    """True for private, local, shared (RFC 6598), multicast and reserved addresses."""
    return (
        a in (0, 10, 127)
        or a >= 224
        or (a, b) in ((192, 168), (169, 254))
        or (a == 172 and 16 <= b < 32)
        or (a == 100 and 64 <= b < 128)
    )


def _is_drawn(match: Match) -> bool:
    """True among numbers of a drawn path: two of them nearby begin with a point or with a minus."""
    around = f"{text_before(match, ip_context.BEFORE)}\t{text_after(match, ip_context.BEHIND)}"
    return len(_DRAWN.findall(around)) > 1


def _is_network(address: str, front: str, rest: str) -> bool:
    """True for "/24" or a mask behind an address whose other bits are 0, for "/8" and the like that are no prefix of a
    host, and for two zeros or two 255 at the end, as ends of ranges have them."""
    if address.endswith((".0.0", ".255.255")):
        return True
    if address.endswith(".0") and (_MASK.match(rest) or _NETWORK_BEFORE.search(front)):
        return True
    if not rest.startswith("/") or front.endswith(
        ("side:", "dmz:", "/dev/tcp/", "/dev/udp/")
    ):  # a port in logs of firewalls and in Bash
        return False
    prefix = _PREFIX.match(rest)
    if prefix is None:
        return rest[1:2].isdigit()
    length = int(prefix[1])
    if length == 32:
        return False  # a single host
    return not 8 <= length < 32 or int(ipaddress.IPv4Address(address)) & (2 ** (32 - length) - 1) == 0


def _check_ipv6(match: Match) -> Part | None:
    """Requires a valid global unicast address (2000::/3, RFC 4291); rejects networks such as 2001:db8:: and years ("2004::")."""
    if is_in_code(match, _TOUCHES) or match[0].endswith("::"):
        return None
    text = _without_port(match)
    address = _parse(text)
    if address is None or str(address) in _RESOLVERS or _MASK_V6.match(text_after(match, 8)):
        return None
    prefix = _PREFIX.match(text_after(match, 5))
    if prefix and int(prefix[1]) < 128 and int(address) % (1 << (128 - int(prefix[1]))) == 0:
        return None
    if _YEAR_AND_NUMBER.fullmatch(match[0]) and not _NAMED.search(text_before(match, 32)):
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
    of_socket = _SOCKETS.search(match.string, max(0, match.start() - 128), match.start())
    return host if of_socket and port.isdigit() and _parse(host) else match[0]


IPS = (
    Pattern("ip", r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _IPV4, _check_ipv4),
    Pattern("ip", r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:", _IPV6, _check_ipv6),
)
