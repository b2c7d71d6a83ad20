"""Sections about the training: summary cards, loss, validation, speed."""

from __future__ import annotations

from typing import Any

from megatron_ko.job.report.collect import Facts, smooth
from megatron_ko.job.steps import duration
from megatron_ko.wording import format_count
from preprocessing.page import number_text
from preprocessing.page.charts import Line, Panel, line_chart
from preprocessing.page.palette import shades_of


def cards(facts: Facts) -> list[dict[str, str]]:
    """The five most important numbers."""
    last, valid = facts.train[-1], facts.valid[-1]
    weights, logits = facts.verification["weights"], facts.verification.get("logits")
    bits = sorted(valid["bits_per_byte"].values())
    exact = "bit for bit" if weights["largest_difference"] == 0 else f"±{weights['largest_difference']:.2g}"
    detail = f"{format_count(len(weights['tensors']), 'tensor')} {exact}"
    if logits:
        detail += f", logits ±{logits['difference']:.1g}"
    model = facts.config.model
    parts = [
        ("Parameters", "매개변수", number_text.short(facts.start["parameters"]),
         f"{format_count(model.layers, 'layer')} of width {model.hidden_size}"),
        ("Tokens", "토큰", number_text.short(last["tokens"]),
         f"{format_count(last['step'], 'step')} of {facts.start['tokens_per_step']:,}"),
        ("Training time", "학습 시간", duration(facts.seconds),
         f"{facts.start['world_size']} × {facts.config.run.device}, {facts.config.precision.dtype}"),
        ("Final loss", "최종 손실", f"{last['loss']:.4f}", f"validation {bits[0]:.2f} to {bits[-1]:.2f} bits per byte"),
        ("Export", "내보내기 검증", "verified" if _is_verified(facts) else "differs", detail),
    ]  # fmt: skip
    return [dict(zip(("name", "korean", "value", "detail"), part, strict=True)) for part in parts]


def _is_verified(facts: Facts) -> bool:
    weights, logits = facts.verification["weights"], facts.verification.get("logits")
    names = weights["missing"] or weights["extra"] or weights["settings"]
    right = weights["largest_difference"] == 0 and not names
    return right and (logits is None or logits["difference"] <= logits["tolerance"])


def training(facts: Facts) -> dict[str, Any]:
    steps = [record["step"] for record in facts.train]
    losses = [record["loss"] for record in facts.train]
    raw = list(zip(steps, losses, strict=True))
    average = list(zip(steps, smooth(losses), strict=True))
    rates = [(record["step"], record["learning_rate"]) for record in facts.train]
    loss = [Line("each report", "ink", raw, faint=True), Line("smoothed", "ink", average)]
    rate_panel = Panel(height=112, y_format="{:g}".format, zero=True, y_ticks=2)
    return {
        "loss": line_chart(
            loss, Panel(y_format="{:.2f}".format, bottom=16, x_ticks=0), "Training loss over steps"
        ),
        "rate": line_chart([Line("learning rate", "muted", rates)], rate_panel, "Learning rate over steps"),
        "first": losses[0],
        "last": losses[-1],
        "schedule": facts.config.schedule.type,
    }


def validation(facts: Facts) -> dict[str, Any]:
    names = [item["name"] for item in facts.manifest["sets"] if item["split"] == "valid"]
    names = [name for name in names if name in facts.valid[-1]["loss"]]
    charts, shades = {}, shades_of(facts.set_names)
    for key in ("loss", "bits_per_byte"):
        lines = [
            Line(
                name, shades[name], [(record["step"], record[key][name]) for record in facts.valid], dots=True
            )
            for name in names
        ]
        panel = Panel(width=480, height=290, right=76, left=44, y_format="{:.2f}".format)
        charts[key] = line_chart(lines, panel, f"Validation {key.replace('_', ' ')} over steps")
    sets = {item["name"]: item for item in facts.manifest["sets"] if item["split"] == "valid"}
    rows = [
        {
            "name": name,
            "tokens": sets[name]["tokens"],
            "text_bytes": sets[name]["text_bytes"],
            "first": facts.valid[0]["loss"][name],
            "loss": facts.valid[-1]["loss"][name],
            "first_bits": facts.valid[0]["bits_per_byte"][name],
            "bits": facts.valid[-1]["bits_per_byte"][name],
        }
        for name in names
    ]
    return {
        **charts,
        "rows": rows,
        "first_label": f"step {step:,}" if (step := facts.valid[0]["step"]) else "before training",
        "last_step": facts.valid[-1]["step"],
    }


def speed(facts: Facts) -> dict[str, Any]:
    """Small charts of speed and memory, without the first report, which includes the warm-up."""
    measures = (
        ("tokens_per_s", "Tokens per second", "초당 토큰 수", number_text.short, 1.0),
        ("mfu", "Model FLOPs utilization", "연산 활용률(MFU)", "{:.0f}%".format, 100.0),
        ("memory_gib", "Memory of the fullest rank, GiB", "랭크별 최대 메모리", "{:.2f}".format, 1.0),
    )
    records = facts.train[1:] or facts.train
    charts = []
    for key, title, korean, number_format, factor in measures:
        steps, values = [record["step"] for record in records], [record[key] * factor for record in records]
        lines = [Line("", "ink", list(zip(steps, values, strict=True)), faint=key != "memory_gib")]
        if key != "memory_gib":  # speeds fluctuate, peak memory does not
            lines.append(Line("smoothed", "ink", list(zip(steps, smooth(values), strict=True))))
        middle = sorted(values)[len(values) // 2]
        panel = Panel(
            width=330,
            height=190,
            left=48,
            right=14,
            y_format=number_format,
            x_label="",
            zero=True,
            x_ticks=3,
            y_ticks=4,
            names=False,
        )
        chart = line_chart(lines, panel, title)
        charts.append({"title": title, "korean": korean, "chart": chart, "middle": number_format(middle)})
    return {"charts": charts, "peak": facts.start["peak_tflops"], "peak_name": facts.start["peak_name"]}
