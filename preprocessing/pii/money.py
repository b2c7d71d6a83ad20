"""Payment cards and bank accounts.

Facts: cards have the ranges of their issuers and Luhn's check digit (ISO/IEC 7812); numbers that payment services publish
for tests are not masked where the text names a test. Korean account numbers have 10 to 14 digits, grouped differently by
each bank and without a check digit, so the text nearby must name a bank or a transfer.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import (
    DASHES,
    END,
    START,
    Match,
    Part,
    Pattern,
    digits_of,
    is_in_code,
    is_number_of_thing,
    is_numbered_thing,
    replaces_masked,
    text_after,
    text_before,
    touching,
)
from preprocessing.pii.table_columns import title_of_column

_FOUR = r"(?:[4569][0-9]{3}|2[2-7][0-9]{2}|35[0-9]{2})"
_GAP = r"(?: ?[-·ㅡ] ?| {1,2})?"  # blanks and hyphens may differ within a number; points may not
_CARD = re.compile(
    START + r"(?<![0-9]{4} )(?:"
    rf"{_FOUR}(?:(?:{_GAP}[0-9]{{4}}){{3}}|(?:[./][0-9]{{4}}){{3}})"
    rf"|3[47][0-9]{{2}}{_GAP}(?:[0-9]{{6}}{_GAP}[0-9]{{5}}|[0-9]{{4}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{3}})"
    rf"|3(?:0[0-5]|[68][0-9])[0-9]{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4}}|(?P<short>4[0-9]{{12}})"
    r")" + END + r"(?! [0-9]{4}(?![0-9]|[-/.](?:0[1-9]|1[0-2])(?![0-9])))"
)
_ROUND = re.compile("(?:[1-9][0-9]00[^0-9]{0,2}){4}")
"""A row of round figures."""
_DIGIT = "(?:[ -]?[0-9])"
# With all dashes in one class, this alone would take a tenth of the time of all hints.
_HINT_OF_ANY_GROUPS = f"[2-69](?:[- ]?[0-9]){{12}}|[0-9][{DASHES[1:]}][0-9]"
_CARD_IN_ANY_GROUPS = re.compile(
    START
    + rf"(?P<short>(?:[49]{_DIGIT}|5[1-5]|2[2-7]|35|6[0245]){_DIGIT}{{14}}|62{_DIGIT}{{15,17}}|(?:5[0678]|6[0-9]){_DIGIT}{{11,17}}|3[47]{_DIGIT}{{13}})"
    + END
    + "(?! ?[0-9])"
)
_TOUCHES_CARD = touching(
    "(?:[a-z]*card|visa|master|amex|jcb|cc)?_?(?:no|num|number)|[a-z]*card|visa|master|amex|jcb|cc"
)
_CARD_WORDS = (
    "카드|결제|비자|아멕스|유니온페이|은련|마에스트로|다이너스|(?i:card|visa|amex|maestro|unionpay|diners|jcb"
)
_CARD_NAMED = re.compile(rf"{_CARD_WORDS}|(?<![A-Za-z])(?:cc|pan)(?![A-Za-z]))")
_OTHER_NUMBER = re.compile(
    r"(?:(?:기프트|선물|멤버십|포인트) ?카드(?: ?(?:번호|코드))?|(?i:gift ?card)(?: ?(?i:code|number|no))?|[가-힣](?<!카드)(?<!결제)(?<!신용)(?<!체크) ?(?:번호|코드|넘버|부호)(?:은|는|이|가)?|[가-힣](?<!카드) 코드|(?<![가-힣])(?:[가-힣]{1,6} ?)?(?:키|핀)|(?i:(?<!card)(?<!card[ _-])(?<![A-Za-z])[A-Za-z]*[ _-]?(?:id|key|pin|code|nonce|seed|hash)))"
    r"[^0-9A-Za-z가-힣]{0,5}\Z"
)
_TEST = re.compile(r"테스트|시험용|샘플|예시|(?i:test|sandbox|sample|dummy)")
_TEST_NUMBERS = (
    "4242424242424242 4111111111111111 4012888888881881 4000056655665556 5555555555554444 2223003122003222 5105105105105100 "
    "5200828282828210 378282246310005 371449635398431 6011111111111117 6011000990139424 3056930009020004 36227206271667 "
    "30569309025904 38520000023237 3566002020360505 3530111333300000 6200000000000005 4222222222222"
)
_PUBLISHED_FOR_TESTS = frozenset(_TEST_NUMBERS.split())

_BANK = "은행|뱅크|농협|수협|신협|새마을(?:금고)?|우체국"
_BANK_NOT_TREE = _BANK.replace("은행", "은행(?!잎|나무|알(?!림))").replace(
    "새마을(?:금고)?", "새마을(?:금고|(?![호운회부]))"
)
_ENGLISH_BANK = (
    "(?:Shinhan|Woori|Hana|Kookmin|Nonghyup|Kakao|Toss|Busan|Daegu|KB|NH|IBK|SC|KEB|Citi) ?[Bb]ank"
)
_SHORT_BANK = "신한|국민|기업|부산|대구|광주|전북|경남|카카오|카뱅|케뱅|토스|토뱅|씨티|SC제일|IBK|KB|NH"
_BRANDS = "신한|KB ?국민|카카오|카뱅|케뱅|토스|토뱅|씨티|SC제일|IBK ?기업"
"""Short names that are no other words."""
_ACCOUNT = re.compile(
    START
    + r"(?:(?P<grouped>[0-9]{2,6}(?:(?: - |-)[0-9]{1,8}){1,3}|[0-9]{2,6}\.[0-9]{2,6}\.[0-9]{5,7})|[0-9]{10,14}|[0-9]{3} [0-9]{3} [0-9]{6}|[0-9]{3,4} [0-9]{4} [0-9]{4} [0-9]{2}|(?P<spaced>[0-9]{6} [0-9]{2} [0-9]{6}|3333 [0-9]{2} [0-9]{7}|100[0-9] [0-9]{3} [0-9]{6}))"
    + END
)
_TOUCHES_ACCOUNT = touching("[a-z]*bank|account|acct|a/c|kb|nh|ibk|sc|no|number")
_BEFORE_ACCOUNT = re.compile(
    rf"(?:계좌(?! ?수(?![가-힣]))|(?<![가-힣])계 좌(?![가-힣])|통장|{_BANK_NOT_TREE}|입금|송금|이체|예금주|{_ENGLISH_BANK}|(?<![A-Za-z])A/C|(?<!(?i:aws)[ _-])(?:[Aa]ccount|ACCOUNT)(?!(?i:_?id)(?![A-Za-z])))[^0-9]{{0,20}}\Z"
)
_BANK_BEFORE = re.compile(rf"(?:{_SHORT_BANK})[ :]{{0,2}}\Z")
_BRAND = re.compile(f"(?:{_BRANDS})[ :]{{0,2}}\\Z")
_FORM_OF_BANK = re.compile(
    "우리[ :]{0,2}(?:1[0-9]{3}-[0-9]{3}-[0-9]{6}|100[25][0-9]{9})|하나[ :]{0,2}[0-9]{3}-[0-9]{6}-[0-9]{5}"
)
"""Names of banks that are words, too, count before the form of their accounts."""
_TRANSFER_BEHIND = re.compile(
    r" ?(?:으?로 ?)?(?:[0-9,]{1,9}[천만]? ?원?(?:씩|만)? ?)?(?:입금|송금|이체|보내|부쳐)"
)
_AFTER_ACCOUNT = re.compile(
    rf"[ ,]{{0,2}}(?:[(\[]?(?:[가-힣]{{1,6}}(?:은행|뱅크)|{_BANK}|카뱅|케뱅|토뱅|예금주)|[(\[](?:{_SHORT_BANK}|우리|하나)[)\],/ ])"
)
_BRAND_BEHIND = re.compile(f" (?:{_BRANDS})(?![가-힣])")
_ACCOUNT_BEFORE = re.compile(r"<\|ac[a-z|]*>(?:, ?| ?[/·] ?| (?:및|또는) )\Z")
"""An account that is masked already, in a list of accounts."""
_OF_BUSINESS = re.compile("[0-9]{3}-[0-9]{2}-[0-9]{5}")
_YEARS = re.compile("(?:(?:19|20)[0-9]{2}-){2}[0-9]{1,4}")
_DATE = re.compile(r"(?:19|20)[0-9]{2}[-.]?(?:0[1-9]|1[0-2])[-.]?(?:0[1-9]|[12][0-9]|3[01])")
_YEAR = re.compile(r"(?:19[5-9]|20[0-4])[0-9]-[0-9]{1,4}-")
_HOLDER_BEHIND = re.compile(
    r" \(?[김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민][가-힣]{1,3}(?: ?님)?\)?[ .]*\Z"
)
"""Of a number without hyphens, at the end of a line."""
_OTHER_NUMBER_THAN_ACCOUNT = re.compile(
    r"(?:[가-힣] ?코드|(?:확인|고객|회원|승인|거래|접수|처리|사업자|문의|조회|관리|인증|전문|추적) ?번호|(?i:error|code))[^0-9A-Za-z가-힣]{0,4}\Z"
)
_NOT_A_NUMBER_OF = re.compile(r" ?(?:[천만억]? ?원|점|명|개|건|장(?![가-힣])|주|호|달러|%)")
_COMPANY = re.compile(r"사업자|등록 ?번호|고객센터|대표번호|전화")
_AMOUNT_BEFORE = re.compile(r"(?:액[은이]?|USD|KRW|EUR|JPY|CNY|[$₩])[ :]{0,2}\Z")
_MORE_NUMBERS = re.compile(r" {2,}-?[0-9]")  # of a row below other titles
_COMPANY_BEHIND = re.compile(r" ?\(?(?:사업자|법인 ?등록)")


def has_luhn(digits: list[int]) -> bool:
    """True when the last digit is the check digit of the others."""
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_number_of_another(match: Match, named: bool) -> bool:
    """True when the words right before name a number that is not a card's; beside a card an act alone names none: "카드 도용 신고"."""
    thing = is_number_of_thing(match) and (not named or is_numbered_thing(match))
    return thing or _OTHER_NUMBER.search(text_before(match, 24)) is not None


def _check_card(match: Match) -> Part | None:
    """Requires the check digit; unusual groups, thirteen digits and unseparated domestic ranges (9) also need a word for
    card before."""
    digits = digits_of(match[0])
    title = title_of_column(match)
    named = _CARD_NAMED.search(text_before(match, 24)) is not None or _CARD_NAMED.search(title) is not None
    named = named or (match.re is _CARD and replaces_masked(match, "card"))
    card_behind = _CARD_NAMED.search(text_after(match, 12)) is not None
    if is_in_code(match, _TOUCHES_CARD) or not has_luhn(digits) or _is_number_of_another(match, named):
        return None
    if not named and (match["short"] or _ROUND.fullmatch(match[0])):
        return None
    if match[0].isdigit() and not (named or card_behind):
        return None
    published = "".join(map(str, digits)) in _PUBLISHED_FOR_TESTS
    around = f"{text_before(match, 40)} {text_after(match, 12)}"
    return None if published and _TEST.search(around) else match.span()


def _check_account(match: Match) -> Part | None:
    """Requires 10 to 14 digits next to a bank or a transfer; rejects dates, amounts and zeros alone."""
    if is_in_code(match, _TOUCHES_ACCOUNT):
        return None
    front = text_before(match, 28)
    digits = len(digits_of(match[0]))
    if (
        not any(digits_of(match[0]))
        or not 10 <= digits <= 14
        or _DATE.match(match[0])
        or _YEARS.fullmatch(match[0])
        or _NOT_A_NUMBER_OF.match(text_after(match, 4))
    ):
        return None
    if (
        is_number_of_thing(match)
        or _OTHER_NUMBER_THAN_ACCOUNT.search(front)
        or _COMPANY.search(front[-14:])
        or _AMOUNT_BEFORE.search(front)
        or _COMPANY_BEHIND.match(text_after(match, 8))
        or _MORE_NUMBERS.match(text_after(match, 40))
    ):
        return None
    bank = _BANK_BEFORE.search(front)
    if bank and bank[0].startswith("기업") and _OF_BUSINESS.fullmatch(match[0]):
        return None
    bank_before = (
        bank if match["grouped"] or match["spaced"] else bank and _BRAND.search(front)
    ) and not _YEAR.match(match[0])
    named = _BEFORE_ACCOUNT.search(front) or bank_before or _AFTER_ACCOUNT.match(text_after(match, 12))
    named = named or _FORM_OF_BANK.fullmatch(match.string, max(0, match.start() - 3), match.end())
    behind = text_after(match, 20)
    named = named or (
        bank and (_TRANSFER_BEHIND.match(behind) or (not match["grouped"] and _HOLDER_BEHIND.match(behind)))
    )
    named = named or _BEFORE_ACCOUNT.search(title_of_column(match))
    named = named or (match["grouped"] and _BRAND_BEHIND.match(text_after(match, 8)))
    named = named or replaces_masked(match, "account")
    if not named and match["grouped"]:
        named = _ACCOUNT_BEFORE.search(match.string, max(0, match.start() - 32), match.start())
    return match.span() if named else None


_HINT_GAP = rf"[-{DASHES[1:]}·ㅡ. /]{{0,3}}"
CARDS = (
    Pattern("card", rf"[2-69][0-9]{{3}}(?:{_HINT_GAP}[0-9]{{4}}){{2}}{_HINT_GAP}[0-9]|3[0-9]{{3}}{_HINT_GAP}[0-9]{{4}}{_HINT_GAP}[0-9]{{2}}{_HINT_GAP}[0-9]{{2}}", _CARD, _check_card),
    Pattern("card", _HINT_OF_ANY_GROUPS, _CARD_IN_ANY_GROUPS, _check_card, f"{_CARD_WORDS}|cc|pan)"),
)  # fmt: skip
ACCOUNTS = (
    Pattern("account", rf"[0-9]{{2}}[{DASHES}](?:[0-9]{{4}}|[0-9]{{1,3}}[{DASHES}][0-9])|[0-9]{{2}}(?: [{DASHES}] [0-9]{{2}}|\.[0-9]{{2,6}}\.[0-9]{{5}})|[0-9]{{10}}|[0-9]{{3}} (?:[0-9]{{3}} [0-9]{{6}}|[0-9]{{4}} [0-9]{{4}} [0-9]{{2}})|[0-9]{{4}} [0-9]{{2,3}} [0-9]{{6}}", _ACCOUNT, _check_account,
            rf"계 ?좌|통장|{_BANK}|입금|송금|이체|예금주|카뱅|케뱅|토뱅|{_ENGLISH_BANK}|[Aa]ccount|ACCOUNT|A/C|<\|acc|[(\[](?:{_SHORT_BANK}|우리|하나)|(?:{_SHORT_BANK}|우리|하나)[ :]{{0,2}}[0-9]|[0-9] (?:{_BRANDS})"),
)  # fmt: skip
