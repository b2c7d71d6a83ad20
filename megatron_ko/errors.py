"""What a user can fix, and how a program ends.

Owns the error classes and the exit codes of every command:
0 done, 2 a mistake the user can fix, 1 a bug, 3 done but for records that could not be read, 75 stopped on request and
resumable, 76 another rank was lost (a host, its network, a killed process): the same command continues from the last
checkpoint. A shell or Slurm reports 128 + N for a process that signal N killed.
Does not own logging.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_BUG = 1
EXIT_USER_ERROR = 2
EXIT_BAD_RECORDS = 3
EXIT_STOPPED = 75
EXIT_PEER_LOST = 76


@dataclass(frozen=True)
class Problem:
    """One mistake: ``where`` is ``file:line`` or ``command line``, ``path`` the dotted key, ``rule`` the name of the rule it breaks.

    Tests and programs tell problems apart by these fields; ``message`` is for people and may change.
    """

    where: str
    path: str
    message: str
    rule: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


class UserError(Exception):
    """Mistakes the user can fix, each with what, the value seen, the rule and the remedy. Printed without a traceback."""

    kind = "error"

    def __init__(self, problems: Sequence[Problem] | str, *, rule: str = ""):
        self.problems = [Problem("", "", problems, rule)] if isinstance(problems, str) else list(problems)
        if len(self.problems) == 1:
            text = str(self.problems[0])
        else:
            text = f"{len(self.problems)} problems\n" + "\n".join(f"  {p}" for p in self.problems)
        super().__init__(text)

    @property
    def rule(self) -> str:
        """Rule that the first problem breaks; empty where none has a name."""
        return self.problems[0].rule


class ConfigError(UserError):
    """One or more mistakes in the configuration or the command line, all reported at once."""

    kind = "config error"


class UsageError(UserError):
    """A command line that no command understands."""

    kind = "usage error"


class DataError(UserError):
    """Training data, a corpus or a tokenizer that is missing, damaged or does not fit."""

    kind = "data error"


class CheckpointError(UserError):
    """A checkpoint that is missing, half-written, or of another model or tokenizer."""

    kind = "checkpoint error"


def first_line(error: BaseException) -> str:
    """What a library's error says in its first line, cut at 200 characters, or its name when it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


# What the system refuses and a user can mend: no room, no right to write, no folder there.
_SYSTEM_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_SYSTEM_REFUSALS |= {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EEXIST}


def exit_code_of(
    main: Callable[[], int | None], *, quiet: bool = False, say: Callable[[str], None] | None = None
) -> int:
    """Runs ``main``; user errors are said on stderr, or to ``say``, without a traceback and become exit code 2.

    ``quiet`` keeps the message back (ranks other than 0, in checks that every rank makes alike).
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    try:
        return main() or EXIT_DONE
    except UserError as error:
        if not quiet:
            say(f"{error.kind}: {error}")
        return EXIT_USER_ERROR
    except BrokenPipeError:  # a run that cannot tell what it does is not done
        print("error: nobody reads the output any more (broken pipe)", file=sys.stderr, flush=True)
        return EXIT_BUG
    except OSError as error:
        if error.errno not in _SYSTEM_REFUSALS:
            raise
        if not quiet:
            say(f"system error: {error}; make room or choose a folder that may be written")
        return EXIT_USER_ERROR
