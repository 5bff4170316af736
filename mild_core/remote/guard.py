"""Runs a program that must not outlive whoever began it:  python guard.py PROGRAM ARGUMENT …

It ends the program when its own standard input ends, which happens whenever the process at the other end does, killed or not, and
when it is told to end itself; then it ends as the program did. Killed, it takes the program with it where the system has a way (Linux).
Nothing of the package is imported: this file is run by itself.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PATIENCE = 15.0  # seconds that the program has to end
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main() -> int:
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, preexec_fn=_die_with_us if sys.platform == "linux" else None)

    def end(*_: object) -> None:
        program.terminate()
        threading.Timer(PATIENCE, program.kill).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the program, too, which knows what to do

    def watch() -> None:
        sys.stdin.buffer.read()
        end()

    threading.Thread(target=watch, daemon=True).start()
    code = program.wait()
    return code if code >= 0 else 128 - code


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    os._exit(main())  # at once: the thread that reads would keep the interpreter
