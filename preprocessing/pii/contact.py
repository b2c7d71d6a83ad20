"""Contact data: telephone numbers and e-mail addresses.

Sources: Korean numbers follow the numbering plan of the Ministry of Science and ICT (mobile 010 and the old 01X, regions
02 to 064, 070, 080, 050X); 15XX, 16XX and 18XX numbers belong to companies and are not masked. North American numbers
follow their plan (area and exchange start with 2 to 9), other countries the international form (ITU-T E.164). Calls abroad
start with + or an access code (00, 001, 002, 00700 and the like in Korea, 011 in North America).
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import (
    DASHES,
    END,
    Match,
    Part,
    Pattern,
    digits_of,
    is_in_code,
    is_numbered_thing,
    mask_whole,
    replaces_masked,
    text_after,
    text_before,
    touching,
)
from preprocessing.pii.table_columns import title_of_column
from preprocessing.text.mail_domains import has_mailboxes, is_tld

_MAY_START = r"(?=[0-9+(\[])"  # asked for first, because Python looks behind slowly
_PHONE_START = r"(?<![0-9+])(?<![0-9][-.,])"
# "1.010-1234-5678": an item of a list, where hyphens group the number
_LISTED = r"(?:(?<=[^0-9.,-][1-9]\.)|(?<=\A[1-9]\.))(?=0[0-9]{1,2}-)"
_GROUPED_START = rf"(?<![0-9+])(?:(?<![0-9][-.,])|{_LISTED})"
_MOBILE_END = r"(?![0-9_])(?![-.][0-9])"  # letters may follow; _check_mobile decides about them
_ACCESS = r"(?:\+|(?:00[0-9]{0,3}|011)[-. )]?)"
_KOREA = rf"(?:(?:\({_ACCESS}?82\)|{_ACCESS}82\)?)[-. ]{{0,3}}(?:\(0\)|0)?[-. ]?|82(?:[-. ]|\) ?))"
_AREA = r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|60|70|80|50[2-8]?|30[2-5])"
_HYPHEN = " ?[-._/~·ㅡ] ?"  # also what writers put there against robots
_MOBILE = re.compile(
    rf"{_MAY_START}(?:{_GROUPED_START}(?:(?:{_KOREA}\(?|82|0)1[016789](?:{_HYPHEN}|\) ?| )|\(01[016789]\) ?)[0-9]{{3,4}}(?:{_HYPHEN}| )?[0-9]{{4}}{_MOBILE_END}"
    rf"|{_PHONE_START}(?P<joined>(?:{_KOREA}|82|0)1(?:0[0-9]{{4}}|[16789][0-9]{{3,4}})[-. ]?[0-9]{{4}}){_MOBILE_END})"
)
_LANDLINE = re.compile(
    rf"{_MAY_START}(?:{_GROUPED_START}(?:(?:(?P<korea>{_KOREA}\(?)|0){_AREA}(?P<one> ?[-.)] ?| )|\(0{_AREA}\) ?|\[0{_AREA}\] ?)[0-9]{{3,4}}(?P<two> ?[-.] ?| )[0-9]{{4}}{_MOBILE_END}"
    rf"|{_PHONE_START}0{_AREA}(?: ?[·ㅡ] ?[0-9]{{3,4}} ?[·ㅡ] ?|/[0-9]{{3,4}}-)[0-9]{{4}}{_MOBILE_END}"
    rf"|{_PHONE_START}(?P<bare>(?:0|82){_AREA}(?:[0-9]{{7,8}}|-?[0-9]{{3,4}}-[0-9]{{4}})){END}"
    rf"|(?P<local>(?<=[^0-9A-Za-z_-])(?<![0-9][.,])[2-9][0-9]{{2,3}}-[0-9]{{4}}){END})"
)
_PHONE_WORDS = "tel|telephone|hp|h\\.p|fax|phone|mobile|mob|cell|cellphone|handphone|call|contact|sms|whatsapp|kakao|kakaotalk|pcs|as|cs"
_TOUCHES_PHONE = touching(
    rf"(?:(?:my|home|office|cell|mobile)_?)?(?:{_PHONE_WORDS})(?:_?(?:no|num|number))?|no|[tfmhpc]"
)
_TOUCHES_MOBILE = re.compile(rf"{_TOUCHES_PHONE.pattern}|(?<![0-9A-Za-z_.-])[A-Za-z]+[a-z]\Z")
_PHONE_WORD_BEHIND = re.compile(rf"(?i:{_PHONE_WORDS})(?![1-9A-Za-z])")
_CODE_BEHIND = re.compile(
    rf"(?!{_PHONE_WORD_BEHIND.pattern})[A-Za-z](?![A-Za-z]*[a-z]{{2}}(?![0-9A-Za-z_]|-[0-9A-Za-z]))"
)
_PHONE_NAMED = re.compile(
    r"전화|연락|문의|팩스|☎|☏|번호|집|발신|수신|문자|사무실|직통|내선|휴대폰|핸드폰|예매|예약|배달|관람|상담|신청|접수|숙박|택시|무료|거부|통화|(?i:tel|fax|phone|call|sms|(?<![A-Za-z])(?:mob|mobile|cell)(?![A-Za-z]))"
)
_BEFORE_LOCAL = re.compile(
    r"(?:(?:전화|연락처|팩스)(?: ?번호)?(?:은|는)?|☎|☏|(?<![A-Za-z])(?i:tel|telephone|phone|fax|hp))[^0-9A-Za-z가-힣\n]{0,3}\Z"
)
_UNIT_BEHIND = re.compile(r"(?:형|호|초|쪽|면|권|명|건|개|점|원)(?![가-힣])|%| ?(?:km|cm|mm|kg)(?![A-Za-z])")
_MEASURED = re.compile(
    r"통계|[기수체]온|기압|측정|센서|관측|수치|값|표(?![가-힣])| [명개건회]|(?i:sensor|raw|data|value)"
)
"""Words for figures: nothing else writes three groups of digits after a zero that is not a telephone."""
_SENT_BEHIND = re.compile(
    r"(?:\(으\)|으)?로 ?(?:발송|전송|보냈|보내|전화|문자|연락)"
)  # "인증번호가 010-...로 발송"
_SPACED_ENOUGH = re.compile("0(?:70|50[2-8]?) [0-9]{4} [0-9]{4}")  # no figures of a table look like it
_OFFICES = "사무소|사무실|지점|본점|영업소|출장소|대리점|매장|센터|상담실|민원실|행정실|교무실|경비실|안내실|관리실|접수처|부동산|학원|병원|의원|치과|한의원|약국|식당|반점|모텔|호텔|펜션|미용실|세탁소|카센터|공업사|정비소"
_OFFICE = re.compile(rf"(?:{_OFFICES})(?:은|는)? ?[:：]? ?\Z")
_OFFICE_BEHIND = re.compile(rf" ?[가-힣]{{0,6}}(?:{_OFFICES}|(?<=[가-힣]{{2}})점)(?![가-힣])")
_LETTER_BEFORE = re.compile(r"(?<![0-9A-Za-z])[TFMtfm][.:)]? ?\Z")  # "T 02 123 4567" of a card of business
_AMERICA = re.compile(
    rf"{_MAY_START}(?:{_PHONE_START}\+1 (?:\([2-9][0-9]{{2}}\)|[2-9][0-9]{{2}}) [2-9][0-9]{{2}} [0-9]{{4}}{END}"
    rf"|{_PHONE_START}(?:{_ACCESS}1[-. ]?|1-)?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[-.])[2-9][0-9]{{2}}[-.][0-9]{{4}}{END})"
)
_WORLD = re.compile(
    rf"{_MAY_START}(?:(?<![0-9A-Za-z_+])(?:\+|(?P<access>00(?:[127]|[37][0-9]{{2}})?[-. ]?))[2-9][0-9]{{0,2}}[-. ](?:\(0\) ?)?(?:\(?[0-9]{{1,5}}\)?[-. ]){{1,4}}[0-9]{{2,8}}{END}"
    rf"|(?<![0-9A-Za-z_+])\+(?:7|[2-69][0-9]|8[1-79]|[2-9][0-9]{{2}})(?:(?P<near>[0-9]{{8,12}})|[-. ][0-9]{{9,11}}){END}"
    rf"|(?<![0-9A-Za-z_])\(\+[2-9][0-9]{{0,2}}\) ?[0-9]{{9,11}}{END})"
)
_SPACED = re.compile(
    r"(?<![0-9])(?<![0-9][ .,-])0 (?:1 [016789]|2|[3-6] [1-5]|7 0) ?(?P<hyphen>- ?)?(?:[0-9] ){3,4}(?:- ?)?(?:[0-9] ){3}[0-9](?![ .,]?[0-9])"
)
_SPOKEN_DIGIT = "공영일이삼사오육륙칠팔구"
_SPOKEN_GAP = "(?:에|의| ?다시)?(?:[.,]? |[-.,~])?"
_SPOKEN = re.compile(
    rf"(?<![{_SPOKEN_DIGIT}])[공영]일[공영일]{_SPOKEN_GAP}[{_SPOKEN_DIGIT}]{{4}}{_SPOKEN_GAP}[{_SPOKEN_DIGIT}]{{4}}(?!(?!이(?:에요|예요|고|며|야|지|라|랑|었))[{_SPOKEN_DIGIT}])"
)

_LOCAL = r"(?:(?<![A-Za-z0-9._%+@\u00c0-\u024f-])|(?<=[:：]-))[A-Za-z0-9_\u00c0-\u024f](?:[A-Za-z0-9._%+\u00c0-\u024f-]|'(?=[A-Za-z])){0,63}"
_LABEL = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?|[가-힣]{1,20})"
_HANGUL_TLDS = "한국|닷컴|닷넷|삼성"
_SPELLED_TLD = "com|net|org|edu|io|kr"
_PROVIDERS = "naver|daum|hanmail|nate|gmail|kakao|korea|hotmail|outlook|yahoo"
_DOT = r"(?:\.| ?[\[({【] ?(?:(?i:dot)|닷|점) ?[\])}】] ?)"
_EMAIL_END = r"(?![A-Za-z0-9]|\([^가-힣])"  # "(" is a call in code
_EMAIL = re.compile(
    rf"{_LOCAL}(?<=[A-Za-z0-9_%+-])(?:@|%40)(?P<domain>(?:{_LABEL}\.)+(?P<tld>[A-Za-z]{{2,24}})){_EMAIL_END}(?!\.[A-Za-z]+\()"
    rf"|{_LOCAL}(?<=[A-Za-z0-9_%+-])@(?:{_LABEL}\.)+(?:{_HANGUL_TLDS})(?![A-Za-z0-9])"
    rf"|(?<![가-힣A-Za-z0-9._-])[가-힣]{{2,20}}@[가-힣]{{2,20}}\.(?:kr|com|net|{_HANGUL_TLDS})(?![A-Za-z0-9])"
)
_EMAIL_HIDDEN = re.compile(
    rf"{_LOCAL} ?(?:[\[({{【] ?(?:(?i:at)|앳|골뱅이|@) ?[\])}}】]|골뱅이) ?(?P<domain>(?:{_LABEL}{_DOT})+(?P<tld>[A-Za-z]{{2,24}})){_EMAIL_END}"
    rf"|{_LOCAL}\([aA]\)(?:{_PROVIDERS})\.(?:com|net|co\.kr)(?![A-Za-z0-9])"
    rf"|{_LOCAL} (?i:at) (?:{_LABEL} (?i:dot) ){{1,3}}(?i:{_SPELLED_TLD})(?![A-Za-z0-9])"
    rf"|{_LOCAL}(?:(?: @ ?|@ )(?:{_PROVIDERS})\.|@(?:{_PROVIDERS})(?: \.|\. ))(?:com|net|co\.kr)(?![A-Za-z0-9])"
    rf"|{_LOCAL}(?P<bare> (?i:at) )(?:{_PROVIDERS})\.(?:com|net|co\.kr)(?![A-Za-z0-9])"
)
_BEFORE_BARE = re.compile(r"(?:메일|[Mm]ail)(?: ?(?:주소|address))?(?:은|는)?[ :：]{1,3}\Z")
"""Before "abc at naver.com", which is also English: "look at naver.com"."""
_STRING_OF_CODE = re.compile("[BFRUbfru]'")
_LOGIN_BEFORE = re.compile(
    r"(?<![A-Za-z0-9가-힣_.-])(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id|sshfs|autossh)(?: +[^\s@가-힣]+)*? +(?:[A-Za-z0-9._-]+@[^\s]+ +)?\Z"
)
"""Before the login of a command; words between are options, files and addresses of the command."""
_WORD_OF_TEXT = re.compile(
    r" (?:[A-Z][a-z]+|(?:mail|e-?mail|contact|to|from|at|ask|or|and|for|with|questions?|issues?|access)) "
)
_PATH_BEHIND = re.compile(r":(?:[~/]|[A-Za-z0-9._/-]+\.git(?![A-Za-z]))")
_IN_A_URL = re.compile(r"://[^/\s@]*\Z")

_FIELD_BEFORE = re.compile(
    r"(?<![0-9A-Za-z.-])[0-9A-Fa-f]{1,3}/\Z"
)  # of an instruction, whose fields slashes separate
# "RM-070-1234-5678": part of a longer code, unless the letters name a telephone
_IN_A_CODE = re.compile(
    r"(?<![A-Za-z0-9])(?!(?i:tel|hp|fax|phone|mobile|cell|[tfmhc])-)[A-Za-z][A-Za-z0-9]*-$"
)


_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}(?![A-Za-z0-9])")
_ORDINAL_BEFORE, _ORDINAL_BEHIND = re.compile(r"제 ?\Z"), re.compile(r"호| 호(?![가-힣])")
_VERSION_BEFORE = re.compile(r"(?<![0-9A-Za-z])(?i:v|ver|version)[. ]{0,2}\Z|버전 ?\Z")


def _is_in_row(match: Match) -> bool:
    """True for groups of digits that only blanks separate, between other digits."""
    if " " not in match[0] or re.search("[-+.)_]", match[0]):
        return False
    return (
        re.search(r"[0-9] \Z", text_before(match, 2)) is not None
        or re.match(" [1-9][0-9]*(?![0-9가-힣])", text_after(match, 8)) is not None
    )


def _is_no_telephone(match: Match) -> bool:
    """True for a version, for the number of a document, "제010-1234-5678호", and for the name of a file, "010_1234_5678.png"."""
    front, rest = text_before(match, 12), text_after(match, 8)
    return (
        _VERSION_BEFORE.search(front) is not None
        or (_ORDINAL_BEFORE.search(front) is not None and _ORDINAL_BEHIND.match(rest) is not None)
        or ("_" in match[0] and _EXTENSION.match(rest) is not None)
    )


def _check_phone(match: Match, words: re.Pattern[str] = _TOUCHES_PHONE) -> Part | None:
    """Rejects the number of an order, unless the code of an area is set apart, "영수증 : 02) 123-4567", a row of figures and a part of
    a code."""
    thing = ")" not in match[0] and is_numbered_thing(match) and not _SENT_BEHIND.match(text_after(match, 12))
    if is_in_code(match, words) or thing or _is_in_row(match) or _is_no_telephone(match):
        return None
    if "/" in match[0] and _FIELD_BEFORE.search(text_before(match, 5)):
        return None
    return None if _IN_A_CODE.search(text_before(match, 12)) else match.span()


def _check_mobile(match: Match) -> Part | None:
    """Accepts a grouped number next to any Latin word in small letters, another one only next to a word for telephone."""
    rest = text_after(match, 16)
    joined = match[0].isdigit() and re.match("[A-Za-z]", rest) and not _PHONE_WORD_BEHIND.match(rest)
    if joined or _CODE_BEHIND.match(rest):
        return None
    return _check_phone(match, _TOUCHES_PHONE if match["joined"] else _TOUCHES_MOBILE)


def _check_landline(match: Match) -> Part | None:
    """Accepts joined digits only next to a word for telephone, and digits grouped by blanks except among figures."""
    if _UNIT_BEHIND.match(text_after(match, 4)):
        return None
    if match["local"]:  # no code of the area
        return match.span() if _BEFORE_LOCAL.search(text_before(match, 12)) else None
    if _CODE_BEHIND.match(text_after(match, 16)):
        return None
    spaced = match["one"] == " " and match["two"] == " " and not match["korea"]
    plain = match["bare"] or (spaced and not _SPACED_ENOUGH.fullmatch(match[0]))
    front = text_before(match, 12)
    if spaced and not _MEASURED.search(f"{front} {text_after(match, 12)}"):
        plain = False
    if plain and not (
        _PHONE_NAMED.search(front)
        or _PHONE_NAMED.search(text_after(match, 6))
        or _LETTER_BEFORE.search(front)
        or replaces_masked(match, "phone")
        or _PHONE_NAMED.search(title_of_column(match))
        or (spaced and (_OFFICE.search(front) or _OFFICE_BEHIND.match(text_after(match, 12))))
    ):
        return None
    return _check_phone(match)


def _check_spaced(match: Match) -> Part | None:
    """Accepts digits with a blank between each only with a hyphen or next to a word for telephone: rows of figures look alike."""
    named = match["hyphen"] or _PHONE_NAMED.search(text_before(match, 12))
    return match.span() if named else None


def _check_international(match: Match) -> Part | None:
    """Requires 9 to 15 digits, and after an access code a word for telephone."""
    if (match["access"] or match["near"]) and not _PHONE_NAMED.search(text_before(match, 16)):
        return None
    number = match[0].removeprefix(match["access"] or "")
    return match.span() if 9 <= len(digits_of(number)) <= 15 else None


def _check_email(match: Match) -> Part | None:
    """Requires a known top-level domain; rejects logins such as ``git@``, which are no mailbox, and a password before a host."""
    tld, end = match["tld"], match.end()
    if tld and not is_tld(tld):
        labels = (match["domain"] or "").split(".")
        # "hong@naver.com.Please": a sentence without a blank before it
        if len(labels) < 3 or not tld.istitle() or not is_tld(labels[-2]):
            return None
        end -= len(tld) + 1
    if match.re is _EMAIL_HIDDEN and match["bare"] and not _BEFORE_BARE.search(text_before(match, 16)):
        return None
    if (
        match[0].startswith("git@")
        or not has_mailboxes(match["domain"] or "")
        or _IN_A_URL.search(text_before(match, 80))
        or _is_login(match)
    ):
        return None
    quoted = _STRING_OF_CODE.match(match[0]) and match.string.startswith("'", end)
    return match.start() + (2 if quoted else 0), end


def _is_login(match: Match) -> bool:
    """True for the user and the host of a command that connects, or of a file on a host."""
    if _PATH_BEHIND.match(text_after(match, 80)):
        return True
    front = _LOGIN_BEFORE.search(text_before(match, 120))
    return front is not None and _WORD_OF_TEXT.search(front[0]) is None


_SEPARATED = rf"[-{DASHES[1:]}. )\]_/~·ㅡ]"
_LOCAL_HINT = "(?:전화|연락처|팩스|☎|☏|(?i:tel|phone|fax|hp)).{0,8}?"
_HINT_END = rf"{_SEPARATED}{{0,3}}[0-9]{{3,4}}{_SEPARATED}{{0,3}}[0-9]{{4}}"
PHONES = (
    Pattern("phone", rf"(?:0|82.?)1[016789]{_HINT_END}|82.{{0,6}}1[016789].{{0,3}}[0-9]{{3}}", _MOBILE, _check_mobile),
    Pattern("phone", rf"(?:0|82[^0-9]{{0,5}}0?[^0-9]{{0,2}}){_AREA}{_HINT_END}|{_LOCAL_HINT}[2-9][0-9]{{2,3}}[{DASHES}][0-9]{{4}}", _LANDLINE, _check_landline),
    Pattern("phone", rf"[2-9][0-9]{{2}}{_SEPARATED}{{1,2}}[2-9][0-9]{{2}}[{DASHES}. ][0-9]{{4}}", _AMERICA, _check_phone),
    Pattern("phone", rf"(?:\+|00(?:[127]|[37][0-9]{{2}})?[{DASHES}. ]?)[2-9][0-9]{{0,2}}[{DASHES}. ]\(?[0-9]|\+[2-9](?:[0-9]{{9}}|[0-9]{{0,2}}\) ?[0-9]{{9}})", _WORLD, _check_international),
    Pattern("phone", rf"0 [1-7] (?:[0-9] |[{DASHES}])", _SPACED, _check_spaced),
    Pattern("phone", rf"[공영]일[공영일](?:에|의| ?다시)?[{DASHES} .,~]{{0,2}}[{_SPOKEN_DIGIT}]{{4}}", _SPOKEN, mask_whole),
)  # fmt: skip
EMAILS = (
    Pattern("email", "[A-Za-z0-9_%+-](?:@|%40)[A-Za-z0-9가-힣]|@[가-힣]", _EMAIL, _check_email),
    Pattern(
        "email",
        rf"[\[({{] ?(?:(?i:at)|앳|@|골뱅이) ?[\])}}]|【 ?(?i:at|앳|@)|\([aA]\)(?:{_PROVIDERS})|골뱅이|(?i: dot (?:{_SPELLED_TLD}))|(?: @ ?|@ | (?i:at) )(?:{_PROVIDERS})\.|@(?:{_PROVIDERS}) ?\.",
        _EMAIL_HIDDEN,
        _check_email,
    ),
)
