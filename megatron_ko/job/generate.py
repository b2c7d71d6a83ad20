"""Generates text with a Hugging Face model.

    mko generate runs/quickstart/train/hf [--prompt TEXT ...] [--tokens 64] [--out samples.json]

Reads local files only and runs no code from the folder. The same seed gives the same text.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.config.cli import Parser
from megatron_ko.errors import CheckpointError, UsageError, exit_code_of
from megatron_ko.files import write_json
from megatron_ko.formats.run_folder import is_run_folder, require_folder

PROMPTS = (
    ("ko", "한글은 "),
    ("ko", "오늘 아침에는 "),
    ("en", "The old library "),
    ("en", "In the morning "),
    ("code", "def read_lines(path):\n"),
    ("code", "import os\n\nclass "),
)

TOP_K = 40
SMALL = 50_000_000
"""Parameters below which threads cost more than they save."""


def parser() -> Parser:
    made = Parser(
        prog="mko generate",
        description="Continues Korean, English and code prompts, or yours, with a Hugging Face model.",
    )
    made.add_argument(
        "folder", metavar="FOLDER", help="Hugging Face folder, as 'mko checkpoint to-hf' writes it"
    )
    made.add_argument("--prompt", action="append", metavar="TEXT", help="prompt instead of the built-in ones")
    made.add_argument(
        "--tokens", type=int, default=64, metavar="N", help="longest continuation (default: 64)"
    )
    made.add_argument(
        "--temperature",
        type=float,
        default=0.7,
        metavar="X",
        help="0 takes the likeliest token (default: 0.7)",
    )
    made.add_argument(
        "--seed", type=int, default=1234, metavar="N", help="seed of the sampling (default: 1234)"
    )
    made.add_argument("--out", metavar="FILE", help="also write everything to this JSON file")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    if given.tokens < 1 or given.temperature < 0:
        raise UsageError("--tokens must be at least 1 and --temperature at least 0", rule="out-of-range")
    prompts = [("", text) for text in given.prompt] if given.prompt else list(PROMPTS)
    samples = generate(given.folder, prompts, given.tokens, given.temperature, given.seed)
    for sample in samples:
        print(f"--- {sample['prompt']!r}\n{sample['prompt']}{sample['text']}\n")
    if given.out:
        settings = {
            "tokens": given.tokens,
            "temperature": given.temperature,
            "top_k": TOP_K,
            "seed": given.seed,
        }
        write_json(given.out, {"model": str(given.folder), "settings": settings, "samples": samples})
    return 0


def generate(
    folder: str | Path, prompts: Sequence[tuple[str, str]], tokens: int, temperature: float, seed: int
) -> list[dict[str, Any]]:
    """Returns ``{lang, prompt, text}`` for each ``(lang, prompt)``. Raises CheckpointError if ``folder`` has no model."""
    _check_folder(Path(folder))
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    local = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(folder), **local)
    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, **local).eval()
    if model.num_parameters() < SMALL:
        torch.set_num_threads(1)
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_k": TOP_K}
        if temperature
        else {"do_sample": False}
    )
    settings = GenerationConfig(max_new_tokens=tokens, repetition_penalty=1.1, **sampling)
    settings.eos_token_id, settings.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    samples = []
    for number, (lang, prompt) in enumerate(prompts):
        torch.manual_seed(seed + number)
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            output = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        text = tokenizer.decode(output[0], skip_special_tokens=True)
        samples.append({"lang": lang, "prompt": prompt, "text": text.removeprefix(prompt)})
    return samples


def _check_folder(folder: Path) -> None:
    """Raises CheckpointError unless ``folder`` has a model; names the export of a run folder."""
    if (folder / "config.json").is_file():
        return
    require_folder(folder)
    if not is_run_folder(folder):
        message = f"contains no config.json; write the folder with 'mko checkpoint to-hf RUN {folder}'"
        raise CheckpointError(f"{folder}: {message}", rule="missing-file")
    export = folder / "hf"
    if (export / "config.json").is_file():
        raise CheckpointError(f"{folder}: is a run folder; did you mean {export}?", rule="run-folder")
    message = f"is a run folder; export it with 'mko checkpoint to-hf {folder} {export}' and name {export}"
    raise CheckpointError(f"{folder}: {message}", rule="run-folder")


if __name__ == "__main__":
    raise SystemExit(main())
