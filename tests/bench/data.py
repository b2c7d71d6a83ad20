"""Preprocessing against its peers, per core and second: the same text, one process each, turn by turn.

    python -m tests.bench.data --data FOLDER [--parts clean minhash statistics encode memory] [--rounds N]

``FOLDER`` holds real text: ko_pydocs.jsonl.zst, ko_reviews.jsonl.zst, en_pydocs.jsonl.zst. The peers (datatrove,
rensa, datasketch) are installed into an environment of their own, ``--peers``, when it is not there. Times are CPU
seconds of the process after a warm-up, which other work on the machine disturbs least; ratios are of the medians.
``..._best`` is the best round of each: neighbours of a shared machine make code slower, never faster.

Prints one JSON line: ``clean_ko_mb_s`` (reading to judged, MB of Korean per core and second), ``clean_vs_...``,
``minhash_vs_...``, ``stats_vs_...`` and ``encode_vs_...`` (how many times as fast as the peer), ``peak_rss_gib`` (all
processes of the command on a synthetic corpus, the largest step) and what these come from.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from preprocessing.running.allocation import SETTINGS
from tests.bench import footprint

PEERS = Path(__file__).parent / "peers"
PARTS = ("clean", "minhash", "statistics", "encode", "memory")
KOREAN = ("ko_pydocs", "ko_reviews")
KIWI_SHARE = 40  # datatrove's Korean words take a hundred times as long: every 40th document is enough


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of real text")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--megabytes", type=float, default=60.0, help="of Korean text, half of each source at most"
    )
    parser.add_argument(
        "--peers", type=Path, default=Path("runs/bench/peers"), help="environment of the peers"
    )
    parser.add_argument("--megatron", type=Path, help="checkout of Megatron-LM 0.16.1, for encode")
    parser.add_argument(
        "--gigabytes", type=float, nargs="+", default=[0.1, 1.0], help="sizes of the synthetic corpus"
    )
    parser.add_argument("--full", action="store_true", help="a synthetic corpus of 5 GB as well")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes of the command on the synthetic corpus"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(given, Path(folder))))


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"bench": "data", "rounds": given.rounds}
    if {"clean", "minhash", "statistics"} & set(given.parts):
        race = Race(folder, peers_python(given.peers), given.rounds)
        samples = Samples(given.data, folder, given.megabytes)
        for part in ("clean", "minhash", "statistics"):
            if part in given.parts:
                found.update(_RACES[part](race, samples))
    if "encode" in given.parts:
        from tests.bench import encode

        texts = [given.data / f"{name}.jsonl.zst" for name in (*KOREAN, "en_pydocs")]
        found.update(
            _renamed(encode.measure(texts, folder / "encode", repeats=given.rounds, megatron=given.megatron))
        )
    if "memory" in given.parts:
        sizes = [*given.gigabytes, *([5.0] if given.full else [])]
        found.update(footprint.measure(folder / "synthetic", sizes, given.workers))
    return found


class Samples:
    """Real Korean text, in compressed JSON lines."""

    def __init__(self, data: Path, folder: Path, megabytes: float):
        lines = [
            line
            for name in KOREAN
            for line in _first(data / f"{name}.jsonl.zst", megabytes * 1e6 / len(KOREAN))
        ]
        self.korean = _write(folder / "korean" / "korean.jsonl.zst", lines)
        self.few = _write(folder / "few" / "few.jsonl.zst", lines[::KIWI_SHARE])


def _first(path: Path, size: float) -> list[bytes]:
    """The first lines of a file that hold ``size`` bytes of text together."""
    if not path.is_file():
        raise SystemExit(f"{path}: not there; give the folder of real text with --data")
    lines = []
    with pa.input_stream(str(path), compression="zstd") as stream:
        for line in stream.read().splitlines(keepends=True):
            size -= len(json.loads(line)["text"].encode())
            lines.append(line)
            if size <= 0:
                break
    return lines


def _write(path: Path, lines: list[bytes]) -> Path:
    path.parent.mkdir(parents=True)
    with pa.output_stream(str(path), compression="zstd") as stream:
        stream.write(b"".join(lines))
    return path


class Race:
    """Runs contestants in turn, each in a process of its own with one thread."""

    def __init__(self, folder: Path, python: Path, rounds: int):
        self.folder, self.python, self.rounds = folder, python, rounds
        self.best: dict[str, float] = {}
        self._runs = 0

    def ours(self, part: str, sample: Path) -> list[str]:
        return [sys.executable, "-m", "tests.bench.peers.ours", part, str(sample), "FOLDER"]

    def peer(self, program: str, *arguments: str | Path) -> list[str]:
        return [str(self.python), str(PEERS / program), *(str(argument) for argument in arguments)]

    def run(self, contestants: dict[str, list[str]]) -> dict[str, float]:
        """MB of text per CPU second of each, the median of the rounds; the best of each stays in ``best``."""
        paces: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(self.rounds):
            order = list(contestants) if number % 2 else list(contestants)[::-1]
            for name in order:
                facts = self._once(contestants[name])
                paces[name].append(facts["bytes"] / 1e6 / facts["cpu_s"])
        self.best = {name: round(max(found), 3) for name, found in paces.items()}
        return {name: statistics.median(found) for name, found in paces.items()}

    def _once(self, command: list[str]) -> dict[str, Any]:
        self._runs += 1
        own = str(self.folder / f"run-{self._runs}")
        alone = {
            name: "1"
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")
        }
        done = subprocess.run(
            [own if part == "FOLDER" else part for part in command],
            env={**os.environ, **alone, **SETTINGS, "TOKENIZERS_PARALLELISM": "false"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def race_clean(race: Race, samples: Samples) -> dict[str, Any]:
    pace = race.run(
        {
            "ours": race.ours("clean", samples.korean),
            "whitespace": race.peer("datatrove_side.py", "clean", samples.korean, "FOLDER"),
            "korean": race.peer("datatrove_side.py", "clean", samples.few, "FOLDER", "--words", "kiwi"),
        }
    )
    return {
        "clean_ko_mb_s": round(pace["ours"], 2),
        "clean_vs_datatrove_whitespace": round(pace["ours"] / pace["whitespace"], 2),
        "clean_vs_datatrove_korean": round(pace["ours"] / pace["korean"], 1),
        "clean_mb_s": _rounded(pace),
        "clean_mb_s_best": race.best,
    }


def race_minhash(race: Race, samples: Samples) -> dict[str, Any]:
    pace = race.run(
        {
            "ours": race.ours("minhash", samples.korean),
            "rensa": race.peer("minhash_side.py", "rensa", samples.korean),
            "datasketch": race.peer("minhash_side.py", "datasketch", samples.korean),
        }
    )
    return {
        "minhash_vs_rensa": round(pace["ours"] / pace["rensa"], 2),
        "minhash_vs_datasketch": round(pace["ours"] / pace["datasketch"], 2),
        "minhash_mb_s": _rounded(pace),
        "minhash_mb_s_best": race.best,
    }


def race_statistics(race: Race, samples: Samples) -> dict[str, Any]:
    pace = race.run(
        {
            "ours": race.ours("statistics", samples.korean),
            "datatrove": race.peer("datatrove_side.py", "statistics", samples.korean, "FOLDER"),
        }
    )
    return {
        "stats_vs_datatrove": round(pace["ours"] / pace["datatrove"], 2),
        "stats_mb_s": _rounded(pace),
        "stats_mb_s_best": race.best,
    }


_RACES: dict[str, Callable[[Race, Samples], dict[str, Any]]] = {
    "clean": race_clean,
    "minhash": race_minhash,
    "statistics": race_statistics,
}


def _rounded(pace: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in pace.items()}


def _renamed(facts: dict[str, Any]) -> dict[str, Any]:
    """What ``tests.bench.encode`` found; its ratio under its own name, the rest together."""
    rest = {name: value for name, value in facts.items() if name not in ("bench", "encode_vs_megatron")}
    return {"encode_vs_megatron": facts["encode_vs_megatron"], "encode": rest}


def peers_python(folder: Path) -> Path:
    """The interpreter of the peers' environment, which is made when it is not there."""
    python = folder / "bin" / "python"
    done = folder / "requirements.txt"
    wanted = (PEERS / "requirements.txt").read_text()
    if not done.is_file() or done.read_text() != wanted:
        print(f"installing the peers into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "-r", str(PEERS / "requirements.txt")], check=True
        )
        done.write_text(wanted)
    return python


if __name__ == "__main__":
    main()
