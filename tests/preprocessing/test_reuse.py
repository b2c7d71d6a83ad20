"""What is reused after a change is what a fresh run would write."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from preprocessing.cli import main
from preprocessing.judging import licenses
from tests.preprocessing.corpus import KO

NOTICE = (
    "이 글은 한빛일보가 제공합니다.\n무단 전재와 재배포를 금지합니다.\n구독 신청은 누리집에서 받습니다.\n"
)
MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy"
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n\nCopyright (C) 2007 Free Software Foundation"


def write_records(path: Path, texts: list[str], ids: list[str]) -> None:
    records = [json.dumps({"id": one, "text": text}, ensure_ascii=False) for one, text in zip(ids, texts)]
    path.write_text("\n".join(records) + "\n", encoding="utf-8")


def run(folder: Path, config: dict, step: str, out: str) -> dict[str, bytes]:
    """Runs the steps up to ``step``; returns the tables of every step by name."""
    path = folder / "data.yaml"
    path.write_text(
        yaml.safe_dump({**config, "output": {"folder": str(folder / out)}}, sort_keys=False), "utf-8"
    )
    steps = ["clean", "lines", "measure", "filter", "deduplicate", "balance"]
    for name in steps[: steps.index(step) + 1]:
        if name != "lines" or config.get("lines", {}).get("enabled"):
            assert main([name, str(path), "--workers", "1"]) == 0
    return {
        str(file.relative_to(folder / out)): file.read_bytes()
        for file in sorted((folder / out).rglob("*.parquet"))
    }


def test_an_edited_license_file_is_read_again(tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "main.py").write_text(
        "".join(f"def f{n}(x):\n    return x + {n}\n\n" for n in range(40))
    )
    config = {
        "inputs": {"code": {"type": "source_tree", "roots": [str(tmp_path / "repo")]}},
        "domains": {"code": {}},
    }
    kinds = []
    for text in (MIT, GPL):
        (tmp_path / "repo" / "LICENSE").write_text(text)
        licenses.find_in_repository.cache_clear()  # as in a new process
        run(tmp_path, config, "measure", "out")
        (columns,) = (
            p for p in (tmp_path / "out/steps/measure").glob("code*.parquet") if "signatures" not in p.name
        )
        kinds += pq.read_table(columns)["license_kind"].to_pylist()
    assert kinds == ["permissive", "copyleft"]


def test_inputs_in_another_order_are_judged_as_in_a_fresh_run(tmp_path):
    """Units change their numbers, while files that name units by number may keep their bytes."""
    texts = [NOTICE + "\n".join(KO[n : n + 5]) for n in range(4)]
    for name in ("a", "b"):
        write_records(tmp_path / f"{name}.jsonl", texts, [f"d{n}" for n in range(4)])
    inputs = {
        name: {"type": "jsonl", "lang": "ko", "paths": [str(tmp_path / f"{name}.jsonl")]} for name in "ab"
    }
    config = {
        "domains": {"ko": {}},
        "lines": {"enabled": True, "min_documents": 2, "scope": "all"},
        "filter": {"preset": "default"},
    }
    run(tmp_path, {"inputs": inputs, **config}, "deduplicate", "out")
    turned = {"inputs": dict(reversed(inputs.items())), **config}
    assert run(tmp_path, turned, "deduplicate", "out") == run(tmp_path, turned, "deduplicate", "fresh")


def test_domains_in_another_order_take_other_documents(tmp_path):
    inputs = {}
    for number, name in enumerate("abc"):
        texts = [
            "\n".join(KO[n : n + 5]) + f"\n{name}쪽의 {n}번 글." for n in range(number * 2, number * 2 + 3)
        ]
        write_records(tmp_path / f"{name}.jsonl", texts, [f"{name}{n}" for n in range(3)])
        inputs[name] = {"type": "jsonl", "lang": "ko", "paths": [str(tmp_path / f"{name}.jsonl")]}
    domains = {
        "first": {"share": 0.5, "sources": ["a", "b"]},
        "second": {"share": 0.5, "sources": ["b", "c"]},
    }
    settings = {"inputs": inputs, "balance": {"valid_fraction": 0.1}, "deduplicate": {"threshold": 0.99}}
    taken = []
    for names in (("first", "second"), ("second", "first")):
        run(tmp_path, {**settings, "domains": {name: domains[name] for name in names}}, "balance", "out")
        corpus = pq.read_table(tmp_path / "out" / "clean", columns=["id", "source"])
        files = (tmp_path / "out" / "clean").glob("first_*.parquet")
        ids = {one for file in files for one in pq.read_table(file)["id"].to_pylist()}
        assert corpus.num_rows == 9
        taken.append({one[0] for one in ids})
    assert taken == [{"a", "b"}, {"a"}]
