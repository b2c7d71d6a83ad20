"""IP addresses, told apart from versions by the words and signs around them.

Facts: private, local and multicast ranges (RFC 1918, 3927, 5735) belong to nobody; addresses for documentation (RFC 5737,
3849) replace real ones, and a model should write neither. Version 6: global unicast addresses (RFC 4291). Browsers name
themselves as product/version (RFC 9110).
"""

from __future__ import annotations

import ipaddress
import re

from preprocessing.pii.pattern import Match, Part, Pattern, is_in_code, text_after, text_before, touching
from preprocessing.pii.table_columns import title_of_column

SMALL = 32
"""Four numbers below this are the section of a standard or a version, unless the text calls them an address."""
LARGE = 100
"""Four numbers whose first is below SMALL, with at most two of this size, are a version unless the text mentions an address."""

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_QUAD = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_IPV4 = re.compile(
    rf"(?<![0-9.])(?:(?<![0-9A-Za-z_]-)|(?<=[Ii][Pp]-)){_QUAD}(?![0-9A-Za-z_]|\.[0-9A-Za-z]|/[0-9]{{3}}|-[0-9]*[A-Za-z]|%)"
)
# an address of version 4 written in version 6 (RFC 4291, 6052)
_MAPPED = re.compile(r"(?<![0-9A-Za-z_:.])(?:::(?i:ffff):(?:0:)?|64:(?i:ff9b)::)\Z")
_YEAR_AND_NUMBER = re.compile("20[0-9]{2}::[0-9]{1,4}")
_IPV6 = re.compile(r"(?<![0-9_:.])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z_:])")

# --- words for addresses ---
_ADDRESS = (
    "ip|ipv4|ipv6|ip[ _-]?addr(?:ess)?|addr|address|host|hosts|hostname|server|client|peer|proxy|router|gateway|gw|dns|"
    "nameserver|ns[0-9]?|inet6?|tcp|udp|icmp|http|https|ssh|sftp|scp|ftp|rdp|vpn|ping|telnet|traceroute|whois|nslookup|"
    "dig|curl|nmap|nc|from|to|src|dst|source|destination|remote|remote_addr|origin|via|bind|listen|user|login|port|"
    "outside|inside|wan|x-forwarded-for|x-real-ip|node[0-9]*"
)
_TOUCHES_ADDRESS = touching(_ADDRESS)
_CALLED_ADDRESS = re.compile(
    r"(?:아이피|(?<![0-9A-Za-z])(?i:ip)(?:v4)?)(?: ?주소| ?(?i:address|addr))?[^0-9A-Za-z\n]{0,4}\Z"
)
_NAMES_ADDRESS = re.compile(
    rf"(?:접속|서버|호스트|주소|아이피|게이트웨이|라우터|공유기|네임서버|작성자|게시자|글쓴이|로그인|방문자|차단|공격)[^0-9A-Za-z\n]{{0,6}}\Z"
    rf"|(?<![0-9A-Za-z])(?i:{_ADDRESS})(?: -[A-Za-z-]{{1,9}})*[^0-9A-Za-z\n]{{1,4}}\Z|://\Z|(?:^|\s)-(?:h|H|-(?:host|server|bind|address|ip|node))[ =]\Z"
    r"|(?<![0-9A-Za-z])(?:ssh|scp|sftp|rsync) [^\n]{0,30}@\Z|(?<![0-9A-Za-z])(?:root|admin|user|ubuntu|centos|ec2-user|deploy|pi)@\Z"
)
# anywhere near: for addresses that look like versions
_NEAR_ADDRESS = re.compile(
    r"아이피|(?<![A-Za-z])IN A |(?<![A-Za-z])A [0-9]{2,6} |접속|호스트|방화벽|포트|레코드|도메인|네임서버|로그인|공인|대역|트래픽|패킷|해킹|공격|차단|(?<![A-Za-z])(?:[a-z]+(?:I[pP]|Addr|Address|Host)|IP|ip)(?:v[46])?(?![A-Za-z])"
    r"|(?<![A-Za-z])(?i:(?:[a-z]+[_-])?(?:ips?|addr|host|server_name|hostname|login|logins|ssh|ssh2|firewall|connect(?:ed|ion|ing)?|nat|"
    r"relay|dns|nslookup|dig|whois|route|listening|listen|bind|peers?|client|remote|ban(?:ned)?|blocked|rejected|denied|allow|deny|ping|traceroute|from))(?![A-Za-z])"
)
_CELL_BEFORE = re.compile(r"(?:^|[\n|,;\t]) ?\Z")
_CELL_BEHIND = re.compile(r" ?(?:$|[\n|,;\t])")
# "<|ip|> → 3.34.7.99"
_AFTER_PLACEHOLDER = re.compile(r"\|>[\"']?(?:에서|와|과)? ?(?:→|->|=>|~|-|,|/|및|또는|and|or|to)? ?[\"']?\Z")
_USED_AS_ADDRESS = re.compile(
    r":[0-9]{2,5}(?![0-9])|(?:에서?|로) ?(?:접속|로그인|연결|핑|ping|ssh|요청|접근|시도|들어|보낸)"
)
_ADDRESS_BEHIND = re.compile(
    rf"{_USED_AS_ADDRESS.pattern}|(?: ?\| ?| +)port\b|[)\]]? ?님|,? - [^ \n]{{1,32}} \[|에서 ?(?:비정상|수상한|무단|외부|반복|다수|불법|과도한|악성|지속)"
)
_NETWORK = re.compile(r"\.0\.0\Z")
_PREFIX = re.compile("/([0-9]{1,3})(?![0-9.])")

# --- words for versions ---
_VERSION = re.compile(
    r"(?:버전|판본|펌웨어|섹션|빌드|릴리스|릴리즈|패치|업데이트|개정|드라이버|엔진|최소 ?(?:지원|사양|요구)"
    r"|(?i:versions?|(?<![a-z])(?:release|firmware|build|section|ver|rev|revision|patch|driver|sdk|oid|tag|v)))"
    r"(?i:_?(?:no|num|number|name|info|string|code)| ?정보| ?번호)?(?: ?(?:은|는|이|가|을|를|으로|로|is|was))?"
    r"[^0-9A-Za-z가-힣\n]{0,6}\Z"
)
_PLACE_IN_TEXT = re.compile(
    r"(?:(?:^|\n) ?#{1,6} \[?v?|(?<![가-힣])(?:부록|그림|표|식|제|별표|항목|문단|점수|평점|배율|비율) ?|변경 ?(?:사항|이력|내역)[^0-9A-Za-z가-힣]{0,4}"
    r"|(?<![A-Za-z])(?:RFC|ISO|3GPP(?: TS| TR)?|IEC|IEEE|KS|KDS|KCS|ASTM|IFRS|NIST|ETSI|ITU|DIN|EN)[ -]?(?:[A-Z]?[0-9]{1,5} )?"
    r"|(?i:(?<![a-z])(?:changelog|release notes|appendix|figure|fig\.|table|chapter|clause|sec\.|paragraph|§)(?: (?:for|of))?) ?)\Z"
)
_PLACE_BEHIND = re.compile(
    r" ?(?:항|절|조|장|문단|단락|목)(?![가-힣])| ?(?:항|절|조|장|문단|단락)(?:의|에|을|를|은|는|과|와|에서)(?![가-힣])"
)
_VERSION_BEHIND = re.compile(
    r"[\"'`)]{0,2}(?:(?:의|이|은|는)? ?\(?(?:버전|빌드|릴리스|릴리즈|정식 ?판|베타|(?i:versions?|release|build|beta|alpha|stable|rc[0-9]))"
    r"| ?(?:이상|이하|미만|초과)|(?:으)?로 (?:업데이트|업그레이드|판올림|올)| \((?:공식 빌드|(?i:official build|64-bit|32-bit|x64|build))"
    r"| ?(?:업데이트|패치)(?! ?서버))"
)
_UPGRADE = re.compile(
    r"(?i:up(?:grad|dat)(?:e|ed|es|ing)|bump(?:ed|s)?) (?!ip |dns |host|server|addr)(?:[A-Za-z0-9_@/.-]{1,40} )?(?i:from|to) [\"'`]?\Z"
)
# "Chrome/139.0.0.0": a product of a browser's name, not the end of a path
_PRODUCT_TOKEN = re.compile(r"(?<![^\s\"'(;,])(?P<name>[A-Za-z][A-Za-z0-9_+-]{1,30})/\Z")
# "pillow==9.1.33.40", "foo>=1.96.0.1": a requirement of a package
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9_.\]-]{1,40})(?:[=~!<>]=|~>|=) ?\Z|(?<![0-9A-Za-z])[\"'](?:\^|~|[~<>=]=|~>|[<>]) ?\Z"
    r"|(?<![0-9A-Za-z_.:/-])[A-Za-z][A-Za-z0-9_.-]{1,60}:[A-Za-z][A-Za-z0-9_.-]{1,40}:\Z"
    r"|(?:(?:npm|npx|yarn|pnpm|bun) [^\n]{0,30}|@[a-z0-9_-]{1,30}/)[A-Za-z0-9_-]{1,30}@\Z|(?:FROM|docker pull|podman pull) [^\s]{1,60}:\Z"
)
_PRODUCTS = (
    "chrome|chromium|headlesschrome|chromedriver|geckodriver|webview2?|playwright|selenium|puppeteer|firefox|edge|edg|edga|edgios|safari|opera|opr|vivaldi|brave|whale|samsungbrowser|yabrowser|"
    "webview|electron|applewebkit|mozilla|rust|rustc|cargo|python|java|jdk|jre|openjdk|node|nodejs|npm|php|ruby|perl|golang|"
    "kotlin|swift|scala|dart|flutter|windows|macos|ios|android|ubuntu|debian|linux|kernel|glibc|gcc|clang|llvm|cuda|cudnn|"
    "nvidia|directx|openssl|openssh|nginx|apache|tomcat|mysql|mariadb|postgresql|oracle|mongodb|redis|kafka|spark|hadoop|"
    "docker|kubernetes|unity|unreal|office|excel|word|outlook|acrobat|reader|photoshop|flash|skype|zoom|teams|slack|discord|"
    "gradle|maven|httpd|elasticsearch|hwp|laravel|django|spring|react|angular|vue|jquery|bootstrap|webpack|ansible|terraform|jenkins|"
    "gitlab|grafana|prometheus|opencv|pandas|scipy|cmake|"
    "steam|itunes|kakaotalk|line|telegram|vlc|potplayer|bandizip|vmware|virtualbox|autocad|matlab|tensorflow|pytorch|numpy"
)
_PRODUCT = re.compile(
    rf"(?:(?<![0-9A-Za-z])(?i:{_PRODUCTS})|크롬|엣지|파이어폭스|사파리|오페라|웨일|윈도우?|안드로이드|파이썬|자바|러스트|플래시|카카오톡|브라우저|앱)"
    r"(?: [0-9]{1,4}| for [A-Za-z]+)?[ :=\"'(|]{1,5}\Z"
)
_AFTER_QUAD = re.compile(
    rf"(?<![0-9.]){_QUAD}[\"']?(?: ?(?:에서|부터|와|과|및|또는|->|→|~|,|/|and|or|to|-)+ ?[\"']?)\Z"
)


def _check_ipv4(match: Match) -> Part | None:
    """Rejects networks, private and local addresses, and versions."""
    numbers = [int(part) for part in match[0].split(".")]
    if is_in_code(match, _TOUCHES_ADDRESS) or _is_nobodys(*numbers) or _NETWORK.search(match[0]):
        return None
    front, rest = text_before(match, 48), text_after(match, 16)
    if rest.startswith("/") and _is_network(match[0], rest):
        return None
    if _CALLED_ADDRESS.search(front) or _MAPPED.search(front) or front.endswith("://"):
        return match.span()
    if max(numbers) < SMALL or _VERSION.search(front):
        return None
    if not _USED_AS_ADDRESS.match(rest) and _is_version(front, rest):
        return None
    if _looks_like_version(numbers):
        named = (
            _NAMES_ADDRESS.search(front)
            or _ADDRESS_BEHIND.match(rest)
            or _NEAR_ADDRESS.search(front[-40:] + " " + rest)
            or (_is_cell(front, rest) and sum(number >= LARGE for number in numbers) == 2)
            or _NAMES_ADDRESS.search(title_of_column(match) + ":")
            or _AFTER_PLACEHOLDER.search(match.string[max(0, match.start() - 12) : match.start()])
        )
        return match.span() if named else None
    return match.span()


def _looks_like_version(numbers: list[int]) -> bool:
    """True for small numbers and for a second number 0; such an address needs a word or sign of an address nearby."""
    documentation = numbers[:3] == [203, 0, 113]
    large = sum(number >= LARGE for number in numbers)
    return (numbers[0] < SMALL and large < 3) or (numbers[1] == 0 and not documentation)


def _is_cell(front: str, rest: str) -> bool:
    """True between the borders of lines and columns."""
    return _CELL_BEFORE.search(front) is not None and _CELL_BEHIND.match(rest) is not None


def _is_nobodys(a: int, b: int, c: int, d: int) -> bool:
    """True for private, local, multicast and reserved addresses."""
    return a in (0, 10, 127) or a >= 224 or (a, b) in ((192, 168), (169, 254)) or (a == 172 and 16 <= b < 32)


def _is_network(address: str, rest: str) -> bool:
    """True for "/24" behind an address whose other bits are 0, and for "/8" and the like that are no prefix of a host."""
    prefix = _PREFIX.match(rest)
    if prefix is None:
        return rest[1:2].isdigit()
    length = int(prefix[1])
    if length == 32:
        return False  # a single host
    return not 8 <= length < 32 or int(ipaddress.IPv4Address(address)) & (2 ** (32 - length) - 1) == 0


def _is_version(front: str, rest: str) -> bool:
    """True when the text around four numbers names a version, a product or a place in a document, or the four numbers
    before them are one."""
    if _PLACE_IN_TEXT.search(front) or _PLACE_BEHIND.match(rest):
        return True
    if (
        _VERSION.search(front)
        or _VERSION_BEHIND.match(rest)
        or _PRODUCT.search(front)
        or _UPGRADE.search(front)
    ):
        return True
    named = _PRODUCT_TOKEN.search(front) or _REQUIREMENT.search(front)
    if named and not (named["name"] and _TOUCHES_ADDRESS.search(re.split(r"[._-]", named["name"])[-1])):
        return True
    before = _AFTER_QUAD.search(front)
    return before is not None and _is_version(front[: before.start()], "")


def _check_ipv6(match: Match) -> Part | None:
    """Requires a valid global unicast address (2000::/3, RFC 4291); rejects networks such as 2001:db8:: and years ("2004::")."""
    if is_in_code(match, _TOUCHES_ADDRESS) or match[0].endswith("::"):
        return None
    try:
        ipaddress.IPv6Address(match[0])
    except ValueError:
        return None
    prefix = _PREFIX.match(text_after(match, 5))
    if (
        prefix
        and int(prefix[1]) < 128
        and int(ipaddress.IPv6Address(match[0])) % (1 << (128 - int(prefix[1]))) == 0
    ):
        return None
    if _YEAR_AND_NUMBER.fullmatch(match[0]) and not _NAMES_ADDRESS.search(text_before(match, 32)):
        return None
    return match.span()


IPS = (
    Pattern("ip", r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _IPV4, _check_ipv4),
    Pattern("ip", r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:", _IPV6, _check_ipv6),
)
