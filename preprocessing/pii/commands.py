"""Passwords of commands, calls and statements, which no word names: ``mysql -p...``, ``curl -u user:...``.

Owns what is written right before such a password; ``passwords`` owns those that a word names.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_values import is_chosen

_WORDS = "(?: [^\\n]{0,80})?"
"""Other words of the command."""
_BEFORE = (
    rf"mysql(?:dump|admin)?{_WORDS} -p",
    "sshpass -p ?",
    rf"redis-cli{_WORDS} -a ",
    rf"ldap[a-z]+{_WORDS} -w ",
    rf"smbclient{_WORDS} -U ?[\"']?[^ %\n]{{1,40}}%",
    rf"mongo[a-z]*{_WORDS} -p ",
    rf"(?:sqlcmd|bcp){_WORDS} -P ?",
    rf"(?:7za?|(?:un)?rar){_WORDS} -h?p",
    rf"(?:un)?zip{_WORDS} -P ?",
    rf"openssl{_WORDS} -k ",
    "-pass(?:in|out)? pass:",
    rf"docker login{_WORDS} -p ",
    rf"curl{_WORDS} -u ?[\"']?[^ \"':\n]{{1,64}}:",
    rf"https?{_WORDS} -a [^ \"':\n]{{1,64}}:",
    r"login [^ \n]{1,64} password ",
    r"htpasswd -[a-zA-Z]*b[a-zA-Z]* [^ \n]{1,60} [^ \n]{1,40} ",
    "chpasswd <<< ?[\"']?[a-z0-9_.-]{1,32}:",
    r"net user [^ \n]{1,40} ",
    r"/user:[^ \n]{1,40} ",
    r"(?:sqlplus|sqlldr|(?:exp|imp)(?:dp)?)(?: -[A-Za-z]+){0,3} [\"']?[A-Za-z0-9_]{1,30}/",
    "(?:requirepass|masterauth) ",
    "WIFI:[^\\n]{0,60};P:",
    "(?i:identified by) +",
    r"(?:(?:HTTP)?BasicAuth|auth ?= ?|login ?)\([^,()\n]{1,60}, ?",
    r"(?:mysqli?_connect|mysqli|getConnection|PDO) ?\((?:[^,()\n]{1,120},){2} ?",
)
_READERS = r"\| *(?:sudo +)?(?:(?:ch|ht)?passwd|cryptsetup|docker +login|-S|kinit)"
"""Behind ``echo``: commands that read a password."""
_VALUE = (
    r"(?P<quote>[\"']?)(?P<part>(?=[^\s@]*[0-9])[A-Za-z0-9!#][^\s\"'`<>@]{3,62}(?=@)|(?![^\s@]*@[^\s@]*[:/.])[A-Za-z0-9!@#][^\s\"'`<>]{4,62}[^\s\"'`<>;,)])"
    r"(?=[\s\"';,)@]|\Z)"
)
_COMMAND = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(_BEFORE)}|echo +(?=[^|\n]{{6,99}}{_READERS})[\"']?(?:[a-z_][a-z0-9_-]*:)?){_VALUE}"
)


def _check_command(match: Match) -> Part | None:
    return match.span("part") if is_chosen(match["part"]) else None


PATTERNS = (
    Pattern(
        "secret",
        rf"(?:{'|'.join(_BEFORE)})[\"'A-Za-z0-9!@#]|echo [^|\n]{{6,99}}{_READERS}",
        _COMMAND,
        _check_command,
        as_is=True,
    ),
)
