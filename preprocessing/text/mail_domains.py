"""Tells mailboxes from what only has their form: names of files, versions of packages, logins and matrix products in code.

Owns the top-level domains that count: all of countries (IANA's list); of the others only those in common use and the
reserved ones (RFC 2606).
"""

from __future__ import annotations

import re

_COMMON_TLDS = (
    "com net org edu gov mil int info biz name pro mobi asia jobs travel museum coop aero tel cat post xyz online site shop store tech "
    "app dev cloud club blog live life world today news media agency studio design email mail works company group team center "
    "digital network systems solutions services software academy school university institute foundation global international "
    "bank finance games game wiki space website page link click top vip fun art music video tube ai codes technology engineering engineer "
    "rocks ninja guru computer consulting expert ventures partners berlin london tokyo kim example test invalid"
)  # fmt: skip
_COUNTRY_TLDS = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf "
    "cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg "
    "gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn "
    "kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na "
    "nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh "
    "si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve "
    "vg vi vn vu wf ws ye yt za zm zw "
)  # fmt: skip
_TLDS = frozenset(_COMMON_TLDS.split() + _COUNTRY_TLDS.split())
_SCALE_OR_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*[xX]\.[a-z]+|v?[0-9]+(?:\.[0-9]+)+\.[a-z]+")
"""``2x.png``, ``1.5x.ai``, ``1.2.0.sh``: of a picture for a display, of a file of a release."""
_CHAT_GROUP = "g.us"
"""Of an identifier of a group of WhatsApp."""
_CLOUD_HOST = re.compile(r"(?:compute(?:-1)?\.amazonaws\.com|cloudapp\.azure\.com)\Z")


def is_tld(label: str) -> bool:
    return label.lower() in _TLDS


def has_mailboxes(domain: str) -> bool:
    """Whether a domain can receive mail; not whether its top-level domain exists, which may be Hangul."""
    none = domain == _CHAT_GROUP or _CLOUD_HOST.search(domain) or _SCALE_OR_VERSION.fullmatch(domain)
    return not none


def is_mailbox(address: str) -> bool:
    """Whether what has the form of an address is one, whatever is written around it."""
    user, _, domain = address.partition("@")
    return user != "git" and is_tld(domain.rpartition(".")[2]) and has_mailboxes(domain)
