"""Verdicts of ``mko preflight``: the records of all ranks against what a run needs, and against each other.

Owns the checks, their limits, and the nodes that they blame. Reads no machine: ``machine_facts`` does.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from megatron_ko.config.training import Config
from megatron_ko.planning.run_plan import Plan
from megatron_ko.wording import format_bytes, format_count

MAX_CLOCK_S = 5.0
BUSY_MIB = 4096
"""More than the preflight itself needs on a GPU."""
SLOW, BROKEN = 0.85, 0.5
"""Fractions of the fleet's median below which a GPU or a host is slow, and broken."""
SUPPORT = {
    "torch": ("2.11", "3"),
    "megatron-core": ("0.16.1", "0.20"),
    "transformer-engine": ("2.0", "3"),
}
"""Versions that a run supports: from the first, below the second. Packages that are not installed are checked elsewhere."""
MINIMUM_DRIVER = {"12": 525, "13": 580}
"""Driver of each CUDA version (NVIDIA, CUDA Toolkit release notes, table of minor version compatibility)."""
HARMLESS_THROTTLING = 0x1 | 0x2  # idle, clocks set by an application (nvml.h, nvmlClocksThrottleReasons)


@dataclass(frozen=True)
class Verdict:
    """One line of a preflight. ``blamed``: nodes without which the line would be ok."""

    state: Literal["ok", "warn", "fail"]
    what: str
    detail: str
    blamed: tuple[str, ...] = ()


Record = dict[str, Any]


def judge(records: Sequence[Record], config: Config, plan: Plan, expected: Sequence[str]) -> list[Verdict]:
    """Verdicts over the records of all ranks. ``expected`` is the node of each rank; a rank without a record is missing."""
    found = {record["rank"] for record in records}
    missing = [rank for rank in range(len(expected)) if rank not in found]
    if missing:
        nodes = tuple(sorted({expected[rank] for rank in missing}))
        detail = (
            f"{format_count(len(missing), 'rank')} wrote no record to the run folder, on {_some(nodes)}: its disk, interpreter "
            "or network; see preflight.log"
        )
        verdicts = [Verdict("fail", "ranks", detail, nodes)]
    else:
        verdicts = [Verdict("ok", "ranks", f"{format_count(len(records), 'rank')} wrote to the run folder")]
    if not records:
        return verdicts
    hosts = [record for record in records if record["local_rank"] == 0]
    checks = [
        _versions(records),
        _same(records, "packages", lambda r: r["packages"], "install the same packages on every node"),
        _same(records, "interpreter", lambda r: f"{r['interpreter']} {r['python']}", "use one interpreter on a shared disk"),
        _data(hosts),
        _disk(hosts, config, plan),
        _clock(records),
    ]  # fmt: skip
    if config.run.device == "cuda":
        checks += [_gpus(hosts, records), _driver(hosts, records)]
    measured = [record for record in records if "matmul_tflops" in record]
    on_gpu = config.run.device == "cuda"
    for what, key, unit in (
        ("matmul", "matmul_tflops", "TFLOP/s"),
        ("all-reduce in a host", "host_gbps", "GB/s"),
        ("all-reduce of all", "world_gbps", "GB/s"),
    ):
        checks.append(_speed(measured, what, key, unit, on_gpu))
    if not missing and (
        missing_speed := [r["host"] for r in records if "matmul_tflops" not in r and not r.get("skipped")]
    ):
        nodes = tuple(sorted(set(missing_speed)))
        # all of them: the network or one rank; nobody can be blamed
        blamed = nodes if len(missing_speed) < len(records) else ()
        detail = f"no measurement from {_some(nodes)}: a GPU or the network hangs; see preflight.log"
        checks.append(iter([Verdict("fail", "measurement", detail, blamed)]))
    return verdicts + [verdict for check in checks for verdict in check]


def _versions(records: Sequence[Record]) -> Iterator[Verdict]:
    old = []
    for package, (low, below) in SUPPORT.items():
        for record in records:
            version = record["versions"].get(package)
            if version and not _parts(low) <= _parts(version) < _parts(below):
                old.append((f"{package} {version} is not in {low} to below {below}", record["host"]))
    if old:
        texts = sorted({text for text, _ in old})
        yield Verdict(
            "fail",
            "versions",
            f"{'; '.join(texts)}, on {_some([h for _, h in old])}; install a supported one",
        )
        return
    names = ", ".join(f"{name} {version}" for name, version in records[0]["versions"].items())
    yield Verdict("ok", "versions", f"Python {records[0]['python']}, {names}")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _same(
    records: Sequence[Record], what: str, key: Callable[[Record], str], remedy: str
) -> Iterator[Verdict]:
    groups = _groups(records, key)
    if len(groups) == 1:
        yield Verdict("ok", what, f"equal on all nodes ({next(iter(groups))})")
        return
    common = max(groups, key=lambda value: len(groups[value]))
    odd = tuple(sorted({host for value, hosts in groups.items() if value != common for host in hosts}))
    blamed = odd if len(groups[common]) > len(odd) else ()  # a tie blames nobody
    yield Verdict("fail", what, f"{_some(odd)} differ from the other nodes; {remedy}", blamed)


def _groups(records: Sequence[Record], key: Callable[[Record], str]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for record in records:
        groups.setdefault(key(record), set()).add(record["host"])
    return groups


def _data(hosts: Sequence[Record]) -> Iterator[Verdict]:
    broken = {record["host"]: record["data"] for record in hosts if record["data"].startswith("error: ")}
    if broken:
        blamed = tuple(sorted(broken)) if len(broken) < len(hosts) else ()
        reason = next(iter(broken.values())).removeprefix("error: ")
        yield Verdict("fail", "data", f"{_some(broken)}: {reason}", blamed)
        return
    yield from _same(hosts, "data", lambda r: r["data"], "copy the token files again, or use a shared disk")


def _disk(hosts: Sequence[Record], config: Config, plan: Plan) -> Iterator[Verdict]:
    each = checkpoint_bytes(config, plan)
    planned = -(-plan.steps // config.checkpoint.every_steps)
    count = min(planned, config.checkpoint.keep + 1) if config.checkpoint.keep else planned
    free = min(record["free_bytes"] for record in hosts)
    need = f"{format_count(count, 'checkpoint')} of about {format_bytes(each)}, {format_bytes(free)} are free"
    remedy = "set checkpoint.keep, raise checkpoint.every_steps, or free some space"
    if free < 2 * each:
        yield Verdict("fail", "disk", f"{need}; {remedy}")
    elif free < count * each:
        yield Verdict("warn", "disk", f"{need}: the last ones will not fit; {remedy}")
    else:
        yield Verdict("ok", "disk", need)


def checkpoint_bytes(config: Config, plan: Plan) -> int:
    """Bytes of a checkpoint: weights, and an fp32 weight and two moments for each parameter that trains."""
    weight = 2 if config.precision.dtype == "bf16" else 4
    return plan.parameters * weight + (plan.trainable or plan.parameters) * 12


def _clock(records: Sequence[Record]) -> Iterator[Verdict]:
    times = [record["clock_s"] for record in records]
    middle = statistics.median(times)
    off = [(r["host"], t - middle) for r, t in zip(records, times) if abs(t - middle) > MAX_CLOCK_S]
    if off:
        worst = max(abs(offset) for _, offset in off)
        hosts = [host for host, _ in off]
        yield Verdict(
            "warn", "clock", f"{_some(hosts)} is up to {worst:.0f} s off; synchronize its clock (NTP)"
        )
    else:
        yield Verdict("ok", "clock", f"all nodes agree within {MAX_CLOCK_S:.0f} s")


def _gpus(hosts: Sequence[Record], records: Sequence[Record]) -> Iterator[Verdict]:
    bad, slow, seen = {}, {}, []
    for record in hosts:
        host, gpus = record["host"], record["gpus"]
        need = sum(other["host"] == host for other in records)
        if isinstance(gpus, str):
            bad[host] = gpus
            continue
        seen += gpus
        errors = sum(int(gpu[GPU_ECC]) for gpu in gpus if gpu[GPU_ECC].isdecimal())
        if len(gpus) < need:
            bad[host] = f"{format_count(len(gpus), 'GPU')} for {format_count(need, 'rank')}"
        elif errors:
            bad[host] = f"{format_count(errors, 'uncorrected ECC error')}; reset the GPU or replace it"
        elif throttled := [g for g in gpus if _throttling(g)]:
            slow[host] = f"GPU {throttled[0]['index']} is throttled ({throttled[0][GPU_THROTTLE]})"
        elif busy := [g for g in gpus if g["memory.used"].isdecimal() and int(g["memory.used"]) > BUSY_MIB]:
            slow[host] = f"{busy[0]['memory.used']} MiB of GPU {busy[0]['index']} are used by another program"
    if bad:
        host, reason = next(iter(bad.items()))
        blamed = tuple(sorted(bad)) if len(bad) < len(hosts) else ()
        yield Verdict(
            "fail",
            "GPUs",
            f"{host}: {reason}" + (f"; also {_some(list(bad)[1:])}" if len(bad) > 1 else ""),
            blamed,
        )
    elif slow:
        host, reason = next(iter(slow.items()))
        yield Verdict("warn", "GPUs", f"{host}: {reason}; look at the node")
    else:
        names = sorted({f"{gpu['name']}, {gpu['memory.total']} MiB" for gpu in seen})
        state = "ok" if len(names) == 1 else "warn"
        yield Verdict(state, "GPUs", f"{len(seen)} x {' and '.join(names)}")


GPU_ECC, GPU_THROTTLE = "ecc.errors.uncorrected.volatile.total", "clocks_throttle_reasons.active"


def _throttling(gpu: dict[str, str]) -> bool:
    text = gpu[GPU_THROTTLE]
    return text.startswith("0x") and bool(int(text, 16) & ~HARMLESS_THROTTLING)


def _driver(hosts: Sequence[Record], records: Sequence[Record]) -> Iterator[Verdict]:
    cuda = next((r["torch_cuda"] for r in records if r.get("torch_cuda")), None)
    drivers = {
        r["host"]: r["gpus"][0]["driver_version"] for r in hosts if isinstance(r["gpus"], list) and r["gpus"]
    }
    if not drivers:
        return
    need = MINIMUM_DRIVER.get(str(cuda).partition(".")[0])
    old = [
        host for host, version in drivers.items() if need and _parts(version) and _parts(version)[0] < need
    ]
    if old:
        yield Verdict(
            "fail", "driver", f"{drivers[old[0]]} on {_some(old)}; CUDA {cuda} of torch needs {need} or newer"
        )
    elif len(set(drivers.values())) > 1:
        yield Verdict(
            "warn",
            "driver",
            f"versions differ: {', '.join(sorted(set(drivers.values())))}; install one on all nodes",
        )
    else:
        yield Verdict("ok", "driver", f"{next(iter(drivers.values()))}, CUDA {cuda}")


def _speed(records: Sequence[Record], what: str, key: str, unit: str, on_gpu: bool) -> Iterator[Verdict]:
    """Compares with the median. A CPU that others use, too, is at most slow: nobody is blamed for it."""
    values = [(record[key], record["host"], record["rank"]) for record in records if record.get(key)]
    if not values:
        return
    middle = statistics.median(value for value, _, _ in values)
    lowest, host, rank = min(values)
    text = f"median {middle:.3g} {unit}, lowest {lowest:.3g} (rank {rank} on {host})"
    below = sorted({name for value, name, _ in values if value < BROKEN * middle})
    if below and on_gpu:
        yield Verdict("fail", what, f"{text}: {_some(below)} below {BROKEN:.0%} of the median", tuple(below))
    elif lowest < SLOW * middle:
        yield Verdict("warn", what, f"{text}: a straggler, which all ranks wait for")
    else:
        yield Verdict("ok", what, text)


def _some(names: Sequence[str] | Any, most: int = 4) -> str:
    """``a, b, c and 5 more``."""
    ordered = sorted(set(names))
    more = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {more} more" if more > 0 else "")
