"""What modulated attention costs: time and memory of each kind, as ratios to plain attention in the same run.

    python scripts/bench_attention.py [--tokens 1024,4096,16384] [--widths 40,64,128] [--heads 8] [--runs 3] [--out out/bench]

    plain             torch's fused attention
    dense mask        the same with the N×N bias added as a mask, made once beforehand and not counted
    widened           the bias as extra columns, as MILD Modulate Attention has it (method sma)
    widened + masses  the same, and what each token pays to each region
    refocus           MagicEraser's, with each row's extremes looked for
    refocus, fast     the same with the extremes estimated

Kinds take turns within a run; a time is the median over runs. Extra memory is the peak beyond the inputs and what plain
attention takes, as a share of q + k + v. On a GPU it is the allocator's own figure; on a CPU it is read off a process of its
own every fraction of a millisecond, so that the smallest sizes are rough. That process gives back at once what is freed, which
costs time: no time is taken there.
Prints a table for each size and writes OUT/attention.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path[0] = str(Path(__file__).resolve().parents[1])

from mild_core.attention import modulated_attention, refocus, sma  # noqa: E402
from mild_core.plan import REGIONS  # noqa: E402

RETURNED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # so that what is freed leaves the process, and the reading is true
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def kinds(tokens: int, width: int, heads: int, device: str, dtype: torch.dtype) -> tuple[int, dict[str, Callable[[], object]]]:
    """Bytes of q + k + v, and each kind as a call."""
    g = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, heads, tokens, width, generator=g).to(device, dtype) for _ in range(3))
    membership = F.one_hot(torch.arange(tokens) * len(REGIONS) // tokens, len(REGIONS)).float()[None].to(device)
    distance = torch.linspace(0, 1, tokens)[None].to(device)

    def modulated(method, **options) -> Callable[[], object]:
        return lambda: modulated_attention(q, k, v, method, membership, distance=distance, **options)

    made: list[Tensor] = []

    def dense() -> Tensor:
        if not made:
            made.append((membership @ membership.transpose(1, 2))[:, None].to(dtype))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=made[0])

    return 3 * q.numel() * q.element_size(), {
        "plain": lambda: F.scaled_dot_product_attention(q, k, v),
        "dense mask": dense,
        "widened": modulated(sma()),
        "widened + masses": modulated(sma(), masses=True),
        "refocus": modulated(refocus()),
        "refocus, fast": modulated(refocus(), fast=True),
    }


def seconds(call: Callable[[], object], device: str) -> float:
    started = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def peak(call: Callable[[], object], device: str) -> int:
    """Bytes that the call takes at its peak, its result included."""
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    highest, before, done = 0, resident(), threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.is_set():
            highest = max(highest, resident())
            time.sleep(1e-4)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = call()
    highest = max(highest, resident())
    done.set()
    watcher.join()
    del result
    return max(highest - before, 0)


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peaks(tokens: int, width: int, heads: int, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Extra memory of each kind, as a share of q + k + v."""
    inputs, calls = kinds(tokens, width, heads, device, dtype)
    for call in calls.values():  # first allocations
        call()
    found = {name: peak(call, device) for name, call in calls.items()}
    found["dense mask"] += tokens**2 * (torch.finfo(dtype).bits // 8)  # the mask, which was there before
    return {name: max(found[name] - found["plain"], 0) / inputs for name in found}


def peaks_apart(tokens: int, width: int, heads: int, dtype: str) -> dict[str, float]:
    """`peaks` on the CPU, in a process of its own."""
    given = {"--tokens": tokens, "--widths": width, "--heads": heads, "--dtype": dtype}
    words = [str(word) for pair in given.items() for word in pair]
    done = subprocess.run(
        [sys.executable, __file__, "--peaks", *words], env={**os.environ, **RETURNED_AT_ONCE}, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def measure(tokens: int, width: int, heads: int, runs: int, device: str, dtype: str) -> dict[str, dict[str, float]]:
    _, calls = kinds(tokens, width, heads, device, DTYPES[dtype])
    for call in calls.values():  # compiled kernels and first allocations
        seconds(call, device)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            times[name].append(seconds(call, device))
    median = {name: statistics.median(t) for name, t in times.items()}
    extra = peaks(tokens, width, heads, device, DTYPES[dtype]) if device == "cuda" else peaks_apart(tokens, width, heads, dtype)
    return {name: {"seconds": median[name], "ratio": median[name] / median["plain"], "extra memory": extra[name]} for name in calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="1024,4096,16384")
    parser.add_argument("--widths", default="40,64,128")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dtype", choices=DTYPES, help="default: bfloat16 on a GPU, else float32")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--peaks", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = asked.dtype or ("bfloat16" if device == "cuda" else "float32")
    if asked.peaks:
        with torch.inference_mode():
            print(json.dumps(peaks(int(asked.tokens), int(asked.widths), asked.heads, device, DTYPES[dtype])))
        return
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads; no GPU was at hand"
    print(f"{where}; {asked.heads} heads, {dtype}, torch {torch.__version__}")
    results = []
    with torch.inference_mode():
        for width in map(int, asked.widths.split(",")):
            for tokens in map(int, asked.tokens.split(",")):
                found = measure(tokens, width, asked.heads, asked.runs, device, dtype)
                results.append({"tokens": tokens, "width": width, "kinds": found})
                print(f"\n| {tokens} tokens, heads of {width} | seconds | × plain | extra memory, share of q+k+v |\n|---|---|---|---|")
                for name, m in found.items():
                    print(f"| {name} | {m['seconds']:.4f} | {m['ratio']:.2f} | {m['extra memory']:.2f} |", flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    report = {"device": where, "heads": asked.heads, "dtype": dtype, "torch": torch.__version__, "results": results}
    (asked.out / "attention.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
