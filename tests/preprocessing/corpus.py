"""A small real corpus for the tests of preprocessing: Korean and English sentences, code of the standard library."""

import json
import random

from preprocessing.steps.order import STEPS

KO = [
    "두루미는 겨울에 철원 들판으로 날아온다.",
    "아침마다 안개가 강을 따라 천천히 흘러간다.",
    "도서관은 밤 열두 시까지 문을 열기로 했다.",
    "할머니는 장독대 옆에 봉숭아를 심으셨다.",
    "버스가 늦어서 정류장에서 책을 반쯤 읽었다.",
    "바람이 불자 감나무 잎이 마당에 쌓였다.",
    "고양이는 창가에서 눈 오는 소리를 듣는다.",
    "우리는 논둑길을 걸으며 옛날이야기를 했다.",
    "물을 끓이고 잠시 식혀야 녹차가 떫지 않다.",
    "시장 골목 끝에는 국숫집이 하나 남아 있다.",
    "학생들은 모은 빗물의 깊이를 날마다 적었다.",
    "등대는 불을 끈 뒤에도 바다를 보고 있었다.",
]
EN = [
    "The crane lands on the frozen rice field.",
    "She reads the gauge every morning at eight.",
    "Fog is a cloud that touches the ground.",
    "We repaired the bicycle before the first snow.",
    "The library stays open until midnight on Fridays.",
    "Binary search halves the range again and again.",
    "A gayageum has twelve strings of twisted silk.",
    "He poured the water and waited for the leaves.",
    "The bus driver knows the day by the shoes.",
]


def write_corpus(folder, documents=60):
    """Files ko.jsonl, en.jsonl and pairs.jsonl: distinct documents, some noise and three bad lines."""
    random.seed(5)
    folder.mkdir(parents=True, exist_ok=True)
    for name, sentences in (("ko", KO), ("en", EN)):
        lines = []
        for i in range(documents):
            chosen = [f"{random.choice(sentences)[:-1]} {random.randrange(10_000)}." for _ in range(8)]
            text = "\n\n".join(" ".join(chosen[k : k + 4]) for k in (0, 4))
            lines.append(
                json.dumps(
                    {"id": f"{name}-{i:03d}", "text": text + "!!!!!!", "lang": name}, ensure_ascii=False
                )
            )
        lines.append(lines[0].replace(f"{name}-000", f"{name}-900"))  # an exact duplicate
        lines.append(json.dumps({"id": "short", "text": "짧다", "lang": name}))
        lines += ['{"id": "bad"', '{"id": "none"}', "[]"] if name == "ko" else []
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = [{"id": f"p{i}", "ko": KO[i % 12] + str(i), "en": EN[i % 9] + str(i)} for i in range(20)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs), encoding="utf-8")
    return folder


CONFIG = """\
output: {folder: OUT, allow_bad_records: true}
inputs:
  ko: {type: jsonl, paths: [CORPUS/ko.jsonl]}
  en: {type: jsonl, paths: [CORPUS/en.jsonl]}
  pairs: {type: jsonl, paths: [CORPUS/pairs.jsonl], lang: mixed, templates: ["{ko}\\n{en}"]}
  python: {type: python_stdlib, max_bytes: 60000}
domains:
  ko: {langs: [ko], share: 0.5}
  en: {langs: [en, mixed], share: 0.3}
  code: {langs: [code], share: 0.2}
balance: {valid_fraction: 0.1}
tokenizer: {vocab_size: 777, proof_strings: 300}
"""


def write_config(folder, out="out", documents=60, relative=False):
    """``folder/data.yaml`` for the corpus in ``folder/corpus``, writing to ``folder/OUT``.

    ``relative``: to OUT in the working directory; a few outputs name the folder they are in.
    """
    write_corpus(folder / "corpus", documents)
    path = folder / "data.yaml"
    path.write_text(
        CONFIG.replace("OUT", out if relative else str(folder / out)).replace(
            "CORPUS", str(folder / "corpus")
        ),
        encoding="utf-8",
    )
    return path


def steps_run(out, action):
    """Steps whose marker ``action()``, which returns exit code 0, wrote in the output folder ``out``, in order."""

    def times():
        paths = {name: out / "steps" / f"{name}.json" for name in STEPS}
        return {name: path.stat().st_mtime_ns for name, path in paths.items() if path.is_file()}

    before = times()
    assert action() == 0
    return [name for name, time in times().items() if before.get(name) != time]


def bytes_of(folder):
    """Content of every file below a folder except the lock."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }
