"""Preprocessing against its peers, per core and second: the same text, one process each, in turn.

    python -m tests.bench.data --data FOLDER [--parts clean minhash statistics encode memory] [--rounds N]

``FOLDER`` contains real text: ko_pydocs.jsonl.zst, ko_reviews.jsonl.zst, en_pydocs.jsonl.zst. Installs the peers
(datatrove, rensa, datasketch) into their own environment, ``--peers``, when it is missing. Times are CPU seconds of the
process after a warm-up, which other work on the machine disturbs least; ratios are ratios of the medians. ``..._best`` is
the best round of each: neighbors on a shared machine make code slower, never faster.

Prints one JSON line: ``clean_ko_mb_s`` (from reading to judging, MB of Korean per core and second), ``clean_vs_...``,
``minhash_vs_...``, ``stats_vs_...`` and ``encode_vs_...`` (speed relative to the peer), ``peak_rss_gib`` (all processes of
the command on a synthetic corpus, the largest step) and the values behind these.
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
KIWI_SHARE = 40  # datatrove's Korean words take a hundred times as long, so it gets every 40th document


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of real text")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--megabytes", type=float, default=60.0, help="MB of Korean text, at most half of it from each source"
    )
    parser.add_argument(
        "--peers", type=Path, default=Path("runs/bench/peers"), help="environment of the peers"
    )
    parser.add_argument("--megatron", type=Path, help="checkout of Megatron-LM 0.16.1, for encode")
    parser.add_argument(
        "--gigabytes", type=float, nargs="+", default=[0.1, 1.0], help="sizes of the synthetic corpus in GB"
    )
    parser.add_argument("--full", action="store_true", help="measure a synthetic corpus of 5 GB, too")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes of the command on the synthetic corpus"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, Path(folder))))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = {"bench": "data", "rounds": options.rounds}
    if {"clean", "minhash", "statistics"} & set(options.parts):
        race = Race(folder, peers_python(options.peers), options.rounds)
        samples = Samples(options.data, folder, options.megabytes)
        for part in ("clean", "minhash", "statistics"):
            if part in options.parts:
                result.update(_RACES[part](race, samples))
    if "encode" in options.parts:
        from tests.bench import encode

        texts = [options.data / f"{name}.jsonl.zst" for name in (*KOREAN, "en_pydocs")]
        facts = encode.measure(texts, folder / "encode", repeats=options.rounds, megatron=options.megatron)
        result.update(_group_encode_facts(facts))
    if "memory" in options.parts:
        sizes = [*options.gigabytes, *([5.0] if options.full else [])]
        result.update(footprint.measure(folder / "synthetic", sizes, options.workers))
    return result


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
    """The first lines of a file that contain ``size`` bytes of text together."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file; set --data to the folder of real text")
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
    """Runs contestants in turn, each in its own process with one thread."""

    def __init__(self, folder: Path, python: Path, rounds: int):
        self.folder, self.python, self.rounds = folder, python, rounds
        self.best: dict[str, float] = {}
        self._runs = 0

    def ours(self, part: str, sample: Path) -> list[str]:
        return [sys.executable, "-m", "tests.bench.peers.ours", part, str(sample), "FOLDER"]

    def peer(self, program: str, *arguments: str | Path) -> list[str]:
        return [str(self.python), str(PEERS / program), *(str(argument) for argument in arguments)]

    def run(self, contestants: dict[str, list[str]]) -> dict[str, float]:
        """Median MB of text per CPU second of each contestant; stores the best round of each in ``best``."""
        paces: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(self.rounds):
            order = list(contestants) if number % 2 else list(contestants)[::-1]
            for name in order:
                facts = self._once(contestants[name])
                paces[name].append(facts["bytes"] / 1e6 / facts["cpu_s"])
        self.best = {name: round(max(values), 3) for name, values in paces.items()}
        return {name: statistics.median(values) for name, values in paces.items()}

    def _once(self, command: list[str]) -> dict[str, Any]:
        self._runs += 1
        run_folder = str(self.folder / f"run-{self._runs}")
        one_thread = {
            name: "1"
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")
        }
        process = subprocess.run(
            [run_folder if part == "FOLDER" else part for part in command],
            env={**os.environ, **one_thread, **SETTINGS, "TOKENIZERS_PARALLELISM": "false"},
            capture_output=True,
            text=True,
        )
        if process.returncode:
            raise SystemExit(
                f"{' '.join(command)}\nended with {process.returncode}:\n{process.stderr[-3000:]}"
            )
        return json.loads(process.stdout.strip().splitlines()[-1])


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
        "clean_mb_s": _round_all(pace),
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
        "minhash_mb_s": _round_all(pace),
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
        "stats_mb_s": _round_all(pace),
        "stats_mb_s_best": race.best,
    }


_RACES: dict[str, Callable[[Race, Samples], dict[str, Any]]] = {
    "clean": race_clean,
    "minhash": race_minhash,
    "statistics": race_statistics,
}


def _round_all(pace: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in pace.items()}


def _group_encode_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """The result of ``tests.bench.encode``: its main ratio by name, the rest under ``encode``."""
    rest = {name: value for name, value in facts.items() if name not in ("bench", "encode_vs_megatron")}
    return {"encode_vs_megatron": facts["encode_vs_megatron"], "encode": rest}


def peers_python(folder: Path) -> Path:
    """The interpreter of the peers' environment; creates the environment when it is missing or outdated."""
    python = folder / "bin" / "python"
    installed = folder / "requirements.txt"
    requirements = (PEERS / "requirements.txt").read_text()
    if not installed.is_file() or installed.read_text() != requirements:
        print(f"installing the peers into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "-r", str(PEERS / "requirements.txt")], check=True
        )
        installed.write_text(requirements)
    return python


if __name__ == "__main__":
    main()
