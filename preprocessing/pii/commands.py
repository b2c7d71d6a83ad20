"""Passwords of commands, calls and statements, which no word names: ``mysql -p...``, ``curl -u user:...``.

Owns what is written right before such a password; ``passwords`` owns those that a word names.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_values import is_chosen

_OPTIONS = {
    "mysql(?:dump|admin)?": "-p",
    "sshpass": "-p ?",
    "redis-cli": "-a ",
    "ldap[a-z]{3,8}": "-w ",
    "smbclient": "-U ?[\"']?[^ %\n]{1,40}%",
    "mongo[a-z]{0,7}": "-p ",
    "(?:sqlcmd|bcp)": "-P ?",
    "(?:7za?|rar)": "-h?p",
    "(?:un)?zip": "-P ?",
    "openssl": "-(?:k |pass(?:in|out)? pass:)",
    "(?:docker|podman|az|oc|cf) login": "-p ",
    "user(?:add|mod)": "-p ",
    "curl": "(?:-u ?|--(?:proxy-)?user[ =])[\"']?[^ \"':\n]{1,64}:",
    "https?": "-a [^ \"':\n]{1,64}:",
    "htpasswd": "-[a-zA-Z]*b[a-zA-Z]* [^ \n]{1,60} [^ \n]{1,40} ",
}
"""Commands, and their options before a password."""
_BEFORE = (
    r"(?:sqlplus|sqlldr|expdp|impdp)(?: -[A-Za-z]+)? [\"']?[A-Za-z0-9_]{1,30}/",
    r"login [^ \n]{1,64} password ",
    "wandb login ",
    "jdbc:oracle:thin:[A-Za-z0-9_]{1,30}/",
    "conn [A-Za-z0-9_]{1,30}/",
    "chpasswd <<< ?[\"']?[a-z0-9_.-]{1,32}:",
    r"net(?:\.exe)? user [^ \n]{1,40} ",
    r"/user:[^ \n]{1,40} ",
    "(?:requirepass|masterauth) ",
    "WIFI:[^\\n]{0,60};P:",
    "(?i:identified by) +",
    r"(?:(?:HTTP|http|set|with)?[Bb]asicAuth|auth ?= ?|login ?|PasswordAuthentication|WiFi\.begin)\([^,()\n]{1,60}, ?",
    r"(?i:basic_?auth)[\"']? ?[:=] ?[\"'][^:\"' \n]{1,40}:",
    r"(?:mysqli?_connect|(?:py)?mysql\.connect|mysqli|getConnection|PDO) ?\((?:[^,()\n]{1,120},){2} ?",
)
_OF_TOKENS = r"jwt\.(?:sign|encode|verify|decode)\("
"""Calls whose second argument is a key."""
_READERS = r"\| *(?:sudo +)?(?:(?:ch|ht)?passwd|cryptsetup|docker +login|-S|kinit)"
"""Behind ``echo``: commands that read a password."""
_VALUE = (
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\s\"'`<>]{5,64})(?P=quote)"
    r"|[\"']?(?P<part>(?=[^\s@]{0,63}[0-9])[A-Za-z0-9!#][^\s\"'`<>@]{3,62}(?=@)|(?![^\s@]{0,200}@[^\s@]{0,200}[:/.])[A-Za-z0-9!@#][^\s\"'`<>]{4,62}[^\s\"'`<>;,)])"
    r"(?=[\s\"';,)@]|\Z))"
)
_NAMED = "|".join(rf"{command} (?:[^\n]{{0,80}} )?{option}" for command, option in _OPTIONS.items())
_COMMAND = re.compile(
    rf"(?<![A-Za-z])(?:{_NAMED}|{'|'.join(_BEFORE)}|{_OF_TOKENS}(?:\{{[^{{}}\n]{{1,80}}\}}|[^,(){{}}\n]{{1,80}}), ?|echo +(?=[^|\n]{{6,99}}{_READERS})[\"']?(?:[a-z_][a-z0-9_-]*:)?){_VALUE}"
)


def _check_command(match: Match) -> Part | None:
    group = "quoted" if match["quoted"] else "part"
    if match[0].startswith("jwt.") and (group == "part" or len(match[group]) < 8):
        return None  # the name of a key, or of an algorithm
    return match.span(group) if is_chosen(match[group]) else None


PATTERNS = (
    Pattern(
        "secret",
        rf"(?:{'|'.join(_OPTIONS)}) [^\n]{{0,80}}-[A-Za-z]|{'|'.join(_BEFORE)}|{_OF_TOKENS}|echo [^|\n]{{6,99}}{_READERS}",
        _COMMAND,
        _check_command,
        as_is=True,
    ),
)
