"""`bin/backup` and `bin/restore`: the database and the simulator's ledger of one moment, in one file.

Both ledgers agree: the simulator cannot write while the database's snapshot is fixed. An order that
the simulator has is then at least SENDING in the database, and one that the database has as acked is
in the simulator; what lies between is what reconciliation settles after every crash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg

from optionsplatform import preflight
from optionsplatform.embedded import Services
from optionsplatform.runtime import CannotStart, programs

ROOT = Path(__file__).resolve().parent.parent
FORMAT = 1
DATA_ONLY: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on
DUMP, LEDGER, MANIFEST = "database.dump", "simulator.sqlite3", "manifest.json"
APPLIED = "SELECT app, name FROM django_migrations ORDER BY app, name"
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


def save(*, url: str, ledger: Path, target: Path, now: datetime) -> dict[str, Any]:
    """Write the backup file; its manifest is the answer."""
    with tempfile.TemporaryDirectory() as name, psycopg.connect(url) as connection:
        folder = Path(name)
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with _quiet(ledger) as quiet:
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            if quiet is not None:
                _copy_ledger(ledger, folder / LEDGER)
        assert row is not None
        _program("pg_dump", url, "--format=custom", f"--snapshot={row[0]}", f"--file={folder / DUMP}")
        manifest = {
            "format": FORMAT,
            "at": now.isoformat(),
            "migrations": [list(each) for each in connection.execute(APPLIED)],
            "vault_keys": _vault_key_ids(),
            "sha256": {path.name: _digest(path) for path in sorted(folder.iterdir())},
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        _pack(folder, target)
    return manifest


def restore(*, url: str, ledger: Path, source: Path, force: bool) -> dict[str, Any]:
    """Put a backup into an empty database; force empties one that is not. Never half of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = _unpack(source, folder)
        _refuse_newer(manifest["migrations"])
        _refuse_other_vault(manifest["vault_keys"])
        with psycopg.connect(url) as connection:
            row = connection.execute(TABLES).fetchone()
            filled = (row is not None and row[0] > 0) or ledger.exists()
            if filled and not force:
                raise CannotStart("the desk is not empty; restore into an empty one, or add --force to replace it")
            if filled:
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
        _program(
            "pg_restore",
            url,
            *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
            str(folder / DUMP),
        )
        _replace_ledger(folder / LEDGER, ledger)
    return manifest


@contextmanager
def _quiet(ledger: Path) -> Iterator[sqlite3.Connection | None]:
    """Hold the simulator's write lock: for some milliseconds its orders wait."""
    if not ledger.exists():
        yield None
        return
    connection = sqlite3.connect(ledger, isolation_level=None, timeout=10)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
    finally:
        connection.close()


def _copy_ledger(ledger: Path, target: Path) -> None:
    source, copy = sqlite3.connect(ledger), sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, no write-ahead log beside it
    finally:
        source.close()
        copy.close()


def _replace_ledger(saved: Path, ledger: Path) -> None:
    for leftover in (ledger, Path(f"{ledger}-wal"), Path(f"{ledger}-shm")):
        leftover.unlink(missing_ok=True)
    if saved.exists():
        new = ledger.with_suffix(".new")
        new.write_bytes(saved.read_bytes())
        new.replace(ledger)


def _program(name: str, url: str, *arguments: str) -> None:
    path = programs() / name
    done = subprocess.run([str(path), f"--dbname={url}", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotStart(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[0]}")


def _pack(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.new")
    new.touch(mode=0o600)
    with tarfile.open(new, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    new.replace(target)


def _is_plain(member: tarfile.TarInfo) -> bool:
    """A file or folder that stays inside the place where it is unpacked."""
    path = PurePosixPath(member.name)
    return (member.isfile() or member.isdir()) and not path.is_absolute() and ".." not in path.parts


def _unpack(source: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(source) as archive:
            if not all(_is_plain(member) for member in archive.getmembers()):
                raise tarfile.TarError("it holds other things than files of its own")
            archive.extractall(folder, **DATA_ONLY)  # noqa: S202 - each member was looked at
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, tarfile.TarError, ValueError) as problem:
        raise CannotStart(f"{source} is not a backup of this platform: {problem}") from None
    if manifest["format"] != FORMAT:
        raise CannotStart(f"{source} has format {manifest['format']}; this release reads {FORMAT}")
    for name, digest in manifest["sha256"].items():
        if not (folder / name).exists() or _digest(folder / name) != digest:
            raise CannotStart(f"{source} is damaged: {name} is not what was saved")
    return manifest


def _refuse_newer(migrations: list[list[str]]) -> None:
    ours = {path.parent.parent.name for path in ROOT.glob("*/migrations/__init__.py")}
    unknown = [
        f"{app}.{name}"
        for app, name in migrations
        if app in ours and not (ROOT / app / "migrations" / f"{name}.py").exists()
    ]
    if unknown:
        raise CannotStart(f"the backup is of a newer release ({unknown[0]} is unknown here); update first")


def _vault_key_ids() -> list[str]:
    return [key.partition(":")[0] for key in os.environ.get("VAULT_KEYS", "dev").split(",")]


def _refuse_other_vault(needed: list[str]) -> None:
    if not set(needed) & set(_vault_key_ids()):
        raise CannotStart(
            f"the backup's broker secrets are sealed with key {needed[0]}, which VAULT_KEYS lacks; set it first"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _database(data_dir: Path) -> Iterator[str]:
    """The desk's database: the given one, the running one, or the stopped one started for a moment."""
    if given := os.environ.get("DATABASE_URL"):
        preflight.database(given)
        yield given
        return
    services = Services(data_dir, valkey=False)
    found = services.start()
    try:
        yield services.environment()["DATABASE_URL"]
    finally:
        if not found:
            services.stop()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of bin/backup and bin/restore."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("DATA_DIR", ROOT / ".data"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("save").add_argument("file", type=Path, nargs="?")
    restoring = verbs.add_parser("restore")
    restoring.add_argument("file", type=Path)
    restoring.add_argument("--force", action="store_true", help="replace a desk that is not empty")
    for verb in verbs.choices.values():
        verb.add_argument("--data-dir", type=Path, default=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.data_dir = Path(options.data_dir).expanduser().resolve()
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and one line about the file; 1 and one line about what is wrong."""
    options, now = parse(arguments), datetime.now(UTC)
    try:
        said = _save(options, now) if options.verb == "save" else _restore(options)
    except (CannotStart, psycopg.Error, OSError) as problem:
        sys.stderr.write(f"bin/{'backup' if options.verb == 'save' else 'restore'}: {problem}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


def _ledger(data_dir: Path) -> Path:
    return Path(os.environ.get("SIMULATOR_DB", data_dir / "simulator.sqlite3"))


def _save(options: argparse.Namespace, now: datetime) -> str:
    if not options.data_dir.exists():
        raise CannotStart(f"there is no desk in {options.data_dir}; name its folder with --data-dir")
    target = options.file or options.data_dir / "backups" / f"{now:%Y%m%dT%H%M%SZ}.tar"
    with _database(options.data_dir) as url:
        save(url=url, ledger=_ledger(options.data_dir), target=target, now=now)
    return f"saved {target} ({target.stat().st_size // 1024} KB)"


def _restore(options: argparse.Namespace) -> str:
    data_dir = preflight.data_folder(options.data_dir)
    with preflight.only_supervisor(data_dir), _database(data_dir) as url:
        manifest = restore(
            url=url, ledger=_ledger(data_dir), source=options.file, force=options.force
        )
    return f"restored the backup of {manifest['at']}; bin/start brings it up to date"


if __name__ == "__main__":
    sys.exit(main())
