"""User errors and exit codes.

Owns the error classes and the exit codes of every command:
0 done; 1 a bug; 2 a mistake the user can fix; 3 done, except for records that could not be read; 75 stopped on request
and resumable; 76 another rank was lost (its host, network or process), and the same command continues from the last
checkpoint; 77 the check before a job blames a node. A shell or Slurm reports 128 + N for a process that signal N killed.
Does not own logging.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from megatron_ko.tables import wrap

EXIT_DONE = 0
EXIT_BUG = 1
EXIT_USER_ERROR = 2
EXIT_BAD_RECORDS = 3
EXIT_STOPPED = 75
EXIT_PEER_LOST = 76
EXIT_BAD_NODE = 77


@dataclass(frozen=True)
class Problem:
    """One mistake: ``where`` is a file, ``file:line`` or ``command line``; ``path`` the dotted key; ``rule`` the broken rule.

    Tests and programs distinguish problems by these fields; ``message`` is for people and may change. It ends with what to do,
    unless that is ``remedy``: for problems whose cause is also reported without it.
    """

    where: str
    path: str
    message: str
    rule: str = ""
    remedy: str = ""

    @property
    def cause(self) -> str:
        """The problem without ``remedy``."""
        return ": ".join(part for part in (self.where, self.path, self.message) if part)

    def __str__(self) -> str:
        return f"{self.cause}; {self.remedy}" if self.remedy else self.cause


class UserError(Exception):
    """Mistakes the user can fix. Each names what is wrong, the value, the rule and the remedy. Printed without a traceback."""

    label = "error"
    exit_code = EXIT_USER_ERROR

    def __init__(
        self, problems: Sequence[Problem] | str, *, rule: str = "", hint: str = "", remedy: str = ""
    ):
        """``rule`` and ``remedy`` are those of a text. ``hint`` is a line below the problems: what else would solve all of them."""
        self.problems = (
            [Problem("", "", problems, rule, remedy)] if isinstance(problems, str) else list(problems)
        )
        if len(self.problems) == 1:
            text = str(self.problems[0])
        else:
            text = f"{len(self.problems)} problems\n" + "\n".join(f"  {p}" for p in self.problems)
        super().__init__(f"{text}\n  {hint}" if hint else text)

    @property
    def rule(self) -> str:
        """Rule that the first problem breaks; empty if that rule has no name."""
        return self.problems[0].rule


class ConfigError(UserError):
    """One or more mistakes in the configuration or the command line, all reported at once."""

    label = "config error"


class UsageError(UserError):
    """A command line that no command understands."""

    label = "usage error"


class DataError(UserError):
    """Training data, a corpus or a tokenizer that is missing, damaged or does not match."""

    label = "data error"


class CheckpointError(UserError):
    """A checkpoint that is missing, incomplete, or of another model or tokenizer."""

    label = "checkpoint error"


def first_line(error: BaseException) -> str:
    """First line of a library's error message, cut at 200 characters; the name of its class if the message is empty."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


# Errors of the operating system that a user can fix: a full disk, a missing permission, a file in place of a folder.
_SYSTEM_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_SYSTEM_REFUSALS |= {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EEXIST}


def shell_exit_code(returned: int) -> int:
    """The exit code of a child process as a shell reports it: 128 + N where signal N, ``returned`` as -N, killed it."""
    return returned if returned >= 0 else 128 - returned


def _describe(error: OSError) -> str:
    """What the system refused, where, and what to do."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space" if is_full else "change the permissions, or choose another folder"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or first_line(error)}; {remedy}"


def report_message(text: str) -> None:
    """Prints a message to stderr; at a terminal its lines end between words, and continue indented."""
    if sys.stderr.isatty():
        text = "\n".join(part for line in text.split("\n") for part in _hang_line(line))
    print(text, file=sys.stderr, flush=True)


def _hang_line(line: str) -> list[str]:
    """The line at the width of the terminal; what continues it is indented by two more than its beginning."""
    text = line.lstrip(" ")
    indent = " " * (len(line) - len(text) + 2)
    first, *rest = wrap(text, indent, cuts_words=False)
    return [first[2:], *rest]


def exit_code_of(
    main: Callable[[], int | None], *, quiet: bool = False, report: Callable[[str], None] | None = None
) -> int:
    """Runs ``main`` and returns its exit code. User errors become theirs (2), reported without a traceback.

    ``report`` receives the message; by default it goes to stderr. ``quiet`` drops the message: for ranks other than 0 in
    checks that every rank makes alike.
    """
    report = report or report_message
    try:
        return main() or EXIT_DONE
    except UserError as error:
        if not quiet:
            report(f"{error.label}: {error}")
        return error.exit_code
    except BrokenPipeError:  # output was lost, so the command is not done
        print("error: the reader of the output has closed it (broken pipe)", file=sys.stderr, flush=True)
        return EXIT_BUG
    except OSError as error:
        if error.errno not in _SYSTEM_REFUSALS:
            raise
        if not quiet:
            report(f"system error: {_describe(error)}")
        return EXIT_USER_ERROR
