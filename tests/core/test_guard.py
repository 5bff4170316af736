"""A program behind the guard does not outlive whoever began it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shapes import ROOT

GUARD = ROOT / "mild_core" / "remote" / "guard.py"
SLEEPS = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(float(sys.argv[1])); sys.exit(7)"


def begin(seconds: float) -> tuple[subprocess.Popen, int]:
    """The guard, and the number of the process that it guards."""
    command = [sys.executable, str(GUARD), sys.executable, "-c", SLEEPS, str(seconds)]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guard.stdout is not None
    return guard, int(guard.stdout.readline())


def ends(pid: int) -> bool:
    """Whether a process is gone within seconds."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", ["its input ends", "it is told to end", "it is killed"])
def test_what_is_guarded_ends_with_the_guard(how):
    guard, pid = begin(600)
    assert guard.stdin is not None
    {"its input ends": guard.stdin.close, "it is told to end": guard.terminate, "it is killed": guard.kill}[how]()
    assert guard.wait(30) != 0
    assert ends(pid)


def test_it_ends_as_the_program_does():
    guard, _ = begin(0)
    assert guard.wait(30) == 7
