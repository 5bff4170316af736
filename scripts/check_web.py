"""Check the types of the web side with TypeScript, against the types of ComfyUI's frontend.

    python3 scripts/bootstrap.py scripts/check_web.py

Needs npm: TypeScript and the frontend's types come from the npm registry, once, into the cache folder, as
scripts/web/package-lock.json pins them. Exits with 2 where they cannot be had, and with 1 where a type is wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: import from the checkout, not from this folder

from scripts.bootstrap import cache_root, only_one  # noqa: E402

WANTED = ("package.json", "package-lock.json")
TYPES = "@comfyorg/comfyui-frontend-types"


class UnavailableError(RuntimeError):
    """The compiler cannot be had on this machine."""


def compiler() -> Path:
    """The folder whose node_modules hold TypeScript and the frontend's types; filled first where it is missing (50 MB)."""
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not on the PATH")
    source = ROOT / "scripts" / "web"
    key = hashlib.sha256(b"".join((source / name).read_bytes() for name in WANTED)).hexdigest()[:12]
    folder = cache_root() / f"web-{key}"
    with only_one(folder):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as tmp:
                for name in WANTED:
                    shutil.copy(source / name, tmp)
                ran = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=tmp, capture_output=True, text=True)
                if ran.returncode:
                    raise UnavailableError(f"npm ci failed: {ran.stderr.strip()[-500:]}")
                os.rename(tmp, folder)
                Path(tmp).mkdir()  # for the context manager to remove
    return folder


def check(folder: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    """Run the compiler over web/ and more files. What it printed is in `stdout`, one line for each fault."""
    modules = folder / "node_modules"
    settings = {
        "extends": str(ROOT / "scripts" / "web" / "tsconfig.json"),
        "compilerOptions": {"paths": {TYPES: [str(modules / TYPES)]}},
        "include": [str(ROOT / "web" / "**" / "*.js"), str(ROOT / "scripts" / "web" / "host.d.ts"), *map(str, more)],
    }
    with tempfile.TemporaryDirectory() as tmp:
        config = Path(tmp, "tsconfig.json")
        config.write_text(json.dumps(settings))
        command = ["node", str(modules / "typescript" / "bin" / "tsc"), "-p", str(config)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def main() -> int:
    try:
        folder = compiler()
    except UnavailableError as error:
        print(f"the types of web/ are not checked: {error}", file=sys.stderr)
        return 2
    ran = check(folder)
    print(ran.stdout or "the types of web/ are right")
    return 1 if ran.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
