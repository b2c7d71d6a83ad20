"""Spelling is American, and tests assert the fields of user errors instead of their wording."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

from tests.test_layers import EVERY, ROOT, tree

# Stems of British spellings, as they occur in prose and in identifiers, to the end of the word.
BRITISH = re.compile(
    r"(?:"
    r"(?:capital|categor|custom|equal|final|general|initial|local|maxim|memor|minim|modern|normal|optim|organ|penal|"
    r"random|real|recogn|serial|special|standard|summar|synchron|token|util|vector|visual)is(?:e|ing|ation)|"
    r"colour|licence|behaviour|neighbour|favour|honour|labour|flavour|analys(?:e(?:d|r)?\b|ing)|centre|centring|fibre|"
    r"\bgrey|catalogue|cancelled|cancelling|labelled|labelling|modelled|modelling|signalled|travelled|artefact|judgement|"
    r"programme\b|defence|whilst|amongst"
    r")[a-z]*",
    re.IGNORECASE,
)
# Words that a foreign format, a library or the language of the data requires, by file.
REQUIRED = {
    "preprocessing/judging/licenses.py": {"licence"},  # key of data sets
    "preprocessing/readers/source_trees.py": {"licence"},  # name of files
    "tests/preprocessing/test_licenses.py": {"licence"},
    "tests/slurm/test_real_slurm.py": {"cancelled"},  # state of a job in Slurm
}
SUFFIXES = (".py", ".md", ".yaml", ".yml", ".sbatch", ".toml")


def tracked_files() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    paths = [ROOT / name for name in names if name.endswith(SUFFIXES)]
    return [path for path in paths if path.is_file() and path != Path(__file__).resolve()]


def british_words(path: Path) -> list[str]:
    """``file:line: word`` of every British spelling that is not required."""
    name = path.relative_to(ROOT).as_posix()
    required = REQUIRED.get(name, set())
    return [
        f"{name}:{number}: {match[0]}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in BRITISH.finditer(line.replace("_", " "))
        if match[0].lower() not in required
    ]


def test_spelling_is_american():
    assert [word for path in tracked_files() for word in british_words(path)] == []


def test_every_required_word_occurs():
    for name, words in REQUIRED.items():
        text = (ROOT / name).read_text(encoding="utf-8").lower()
        assert [word for word in words if word not in text] == [], name


def test_british_stems_are_recognized():
    british = (
        "normalise tokenisation colours licence behaviour analysed analyse centre grey Labelled light_colours"
    )
    american = "normalize tokenization colors license behavior analysis analyses center gray labeled parallelism emphasis"
    assert [bool(BRITISH.search(word)) for word in british.split()] == [True] * len(british.split())
    assert [word for word in american.split() if BRITISH.search(word)] == []


# --- user errors -----------------------------------------------------------------------------------------


def user_errors() -> set[str]:
    """Names of UserError and of all classes derived from it."""
    bases = {
        node.name: {
            base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases
        }
        for path in EVERY
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    }
    names = {"UserError"}
    while derived := {name for name, above in bases.items() if above & names} - names:
        names |= derived
    return names


def matches_of(path: Path, errors: set[str]) -> list[str]:
    """``file:line`` of every ``pytest.raises`` that matches the words of a user error."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and node.args
        and (getattr(node.func, "attr", None) == "raises" or getattr(node.func, "id", None) == "raises")
        and any(keyword.arg == "match" for keyword in node.keywords)
        and errors & {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node.args[0])}
    ]


def test_tests_assert_the_fields_of_user_errors_and_not_their_words():
    errors = user_errors()
    assert {"UserError", "ConfigError", "DataError", "CheckpointError", "Divergence"} <= errors
    assert [
        place for path in sorted((ROOT / "tests").rglob("*.py")) for place in matches_of(path, errors)
    ] == []
