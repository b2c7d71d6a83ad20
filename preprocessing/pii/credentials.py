"""Keys and tokens whose form needs no word, and passwords of URLs.

Owns the published formats of issuers: of clouds (AWS, Google, Azure, Alibaba, Tencent, NAVER, DigitalOcean, Cloudflare), of code, packages and
servers (GitHub, GitLab, Atlassian, npm, PyPI, RubyGems, NuGet, Docker, SonarQube, Databricks, Grafana, Vault, Doppler, Pulumi, Terraform), of models
(OpenAI, Anthropic, Hugging Face, Groq, Replicate and others), of messages and payment (Slack, Telegram, Discord, SendGrid, Twilio, Mailgun, Stripe,
Toss Payments, Square, Shopify) and of tools (Notion, Linear, Figma, Supabase, Sentry, Airtable); JSON Web Tokens (RFC 7519),
private keys (RFC 7468), passwords inside URLs (RFC 3986), and headers of authorization. ``passwords`` owns those that a word names.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_values import TOKEN_BITS, bits_per_character, is_random, is_slug

_TEXT = "[A-Za-z0-9_-]"
_GITLAB = "gl(?:pat|rt|rtr|dt|ptt|cbt|soat|ft|imt|agent|oas|ffct)-"
_PREFIXES = (
    "gsk_|xai-|nvapi-|dckr_(?:pat|oat)_|do[opr]_v1_|ntn_|shp(?:at|ss|ca|pa)_|sbp_|r8_|lin_(?:api|oauth)_|AT[AC]TT3|ATBB|PMAK-|rubygems_|pul-|sntry[su]_|phx_|pplx-|tvly-|ncp_iam_|sq[uap]_|glsa_|glc_|"
    r"dp\.(?:pt|st|ct|sa|scim|audit)\.|whsec_|xkeysib-|xsmtpsib-|sq0[ac][ts]p-|sb_secret_|nfp_|CCIPAT_|CFPAT-|HRKU-|NRAK-|tskey-|pscale_|"
    r"lsv2_[ps][tk]_|pcsk_|jina_|tgp_v1_|fig[ud]r?_|hv[bsr]\.|fo1_|vercel_|rdme_|ABSK|oy2|AKID|EAAC|(?:live|test)_g?sk_|1//0"
)
_OTHER_FORMS = (
    r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+=%]{60,2000}|SK[0-9a-f]{32}|key-[0-9a-f]{32}|secret_[A-Za-z0-9]{43}|v1\.0-[0-9a-f]{24}-[0-9a-f]{100,160}"
    r"|dt0[cs]0[0-9]\.[A-Z0-9]{24}\.[A-Z0-9]{64}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,80}"
    r"|[0-9a-f]{32}-us[0-9]{1,2}|[A-Za-z0-9_.~-]{3}[78]Q~[A-Za-z0-9_.~-]{31,34}"
)
"""Of an AWS session, Twilio, Mailgun, Notion, Cloudflare, Dynatrace, Airtable, Terraform, Mailchimp, Microsoft Entra."""
_HINTS_OF_FORMS = (
    r"FwoGZXIvYXdz|IQoJb3JpZ2lu|SK[0-9a-f]{32}|key-[0-9a-f]{32}|secret_[A-Za-z0-9]{43}|v1\.0-[0-9a-f]{24}|dt0[cs]0[0-9]\.|pat[A-Za-z0-9]{14}\.[0-9a-f]"
    r"|\.atlasv1\.|-us[0-9]|[78]Q~"
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{50,255}"
    rf"|{_GITLAB}{_TEXT}{{20,64}}|dapi[0-9a-f]{{32}}|LTAI5t[A-Za-z0-9]{{18}}|AGE-SECRET-KEY-1[A-Z0-9]{{58}}|xox[abeoprs]-[A-Za-z0-9-]{{20,255}}|xapp-[0-9]-[A-Za-z0-9-]{{20,255}}"
    rf"|sk-(?:(?:proj|svcacct|admin|ant-[a-z0-9]+)-)?{_TEXT}{{32,255}}|hf_[A-Za-z0-9]{{30,40}}|AIza{_TEXT}{{35}}"
    rf"|GOCSPX-{_TEXT}{{28}}|ya29\.{_TEXT}{{20,255}}|[sr]k_(?:live|test)_[A-Za-z0-9]{{24,255}}|npm_[A-Za-z0-9]{{36}}"
    rf"|pypi-{_TEXT}{{50,255}}|SG\.{_TEXT}{{22}}\.{_TEXT}{{43}}|[0-9]{{8,10}}:AA{_TEXT}{{33}}"
    rf"|[MNO][A-Za-z0-9]{{23,27}}\.[GXY]{_TEXT}{{5}}\.{_TEXT}{{27,40}}|(?:{_PREFIXES}){_TEXT}{{27,255}}"
    rf"|{_OTHER_FORMS}|eyJ{_TEXT}{{8,}}\.eyJ{_TEXT}{{8,}}\.{_TEXT}{{10,}})(?![A-Za-z0-9_])"
)
_WEBHOOK = re.compile(
    r"(?:hooks\.slack\.com/services/(?=T)|discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/(?=[A-Za-z0-9_-]{40}))"
    r"(?P<part>T[A-Za-z0-9]{8,}/B[A-Za-z0-9]{8,}/[A-Za-z0-9]{20,}|[A-Za-z0-9_-]{40,90}(?![A-Za-z0-9_/-]))"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN (?P<type>(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----(?P<key>[^<(]{1,16000}?)-----END (?P=type)-----"
)
_OF_A_KEY = re.compile("[A-Za-z0-9+/=]{12}")
_URL = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,64}:(?P<part>[^\s/@\"'<>]{3,128})@[A-Za-z0-9]"
)
_SETTINGS = re.compile(";[A-Za-z ]+=")
_BEARER = re.compile(
    r"(?<![A-Za-z])(?:(?i:bearer)|KakaoAK|(?i:authorization)[\"']?: *[\"']?(?i:basic)) +(?P<part>[A-Za-z0-9._~+/-]{20,512}=*)(?![A-Za-z0-9._~+/-])"
)
"""RFC 6750, RFC 7617 and Kakao's."""
_WORDS = (
    "token user username root admin pass pw pwd secret password passwd changeme postgres mysql guest xxx test"
)
_WEAK = frozenset(_WORDS.split())


def _check_key_block(match: Match) -> Part | None:
    """Requires characters of a key between the lines, which code that looks for them does not have."""
    return match.span() if _OF_A_KEY.search(match["key"]) else None


def _check_token(match: Match) -> Part | None:
    """Rejects published examples, placeholders, and the words of an address: ``/news/sk-hynix-...``."""
    token = match[0]
    if token.endswith("EXAMPLE") or is_slug(token) or bits_per_character(token[4:]) < TOKEN_BITS:
        return None
    return match.span()


def _check_webhook(match: Match) -> Part | None:
    """Rejects the placeholder of Slack's own pages, whose key is one letter."""
    return match.span("part") if bits_per_character(match["part"].rpartition("/")[2]) >= TOKEN_BITS else None


def _check_url(match: Match) -> Part | None:
    """Masks only the password; rejects a variable, a word for password, and a hidden password."""
    part = match["part"]
    return (
        None
        if part.lower() in _WEAK or part[0] in "$*{%[\\" or "•" in part or _SETTINGS.search(part)
        else match.span("part")
    )


def _check_bearer(match: Match) -> Part | None:
    """Requires letters, digits and high entropy; rejects placeholders."""
    value = match["part"]
    return match.span("part") if is_random(value) else None


PATTERNS = (
    Pattern("secret", r"BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY", _KEY_BLOCK, _check_key_block, as_is=True, spans_lines=True),
    Pattern(
        "secret",
        rf"A[KS]IA[A-Z0-9]{{16}}|gh[pousr]_[A-Za-z0-9]{{36}}|github_pat_[A-Za-z0-9_]{{22}}|{_GITLAB}[A-Za-z0-9_-]{{20}}|"
        r"dapi[0-9a-f]{32}|LTAI5t|AGE-SECRET-KEY-1|xox[abeoprs]-[A-Za-z0-9-]{20}|"
        r"xapp-[0-9]-[A-Za-z0-9]|sk-[A-Za-z0-9_-]{32}|hf_[A-Za-z0-9]{30}|AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20}|"
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{24}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50}|SG\.[A-Za-z0-9_-]{22}\.|[0-9]{8}:AA[A-Za-z0-9_-]{33}|"
        rf"(?:{_PREFIXES})[A-Za-z0-9_-]{{27}}|{_HINTS_OF_FORMS}|"
        r"eyJ[A-Za-z0-9_-]{8}|\.[GXY][A-Za-z0-9_-]{5}\.[A-Za-z0-9_-]{27}",
        _TOKEN,
        _check_token,
        as_is=True,
    ),
    Pattern("secret", r"hooks\.slack\.com/services/T|com/api/webhooks/[0-9]{17}", _WEBHOOK, _check_webhook, as_is=True),
    Pattern("secret", r"://[^ \n\t\r/:@\"'<>]{0,64}:[^ \n\t\r/@\"'<>]{3,128}@", _URL, _check_url, as_is=True),
    Pattern("secret", r"(?i:bearer|kakaoak|basic) +[A-Za-z0-9._~+/-]{20}", _BEARER, _check_bearer, as_is=True),
)  # fmt: skip
