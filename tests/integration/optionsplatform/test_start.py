"""What a person sees when the desk cannot start: one line and a non-zero exit."""

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from optionsplatform import preflight
from optionsplatform.runtime import CannotStart
from optionsplatform.supervisor import main, parse

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _no_given_services(monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", *preflight.PROD_SECRETS):
        monkeypatch.delenv(name, raising=False)


def refusal(capsys, *arguments):
    assert main([str(each) for each in arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_a_busy_port_is_one_line(data_dir, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = refusal(capsys, "--data-dir", data_dir, "--port", port)

    assert line == f"bin/start: port {port} is busy; end what uses it or choose another with --port"


def test_an_unreachable_database_is_one_line_without_its_password(data_dir, capsys, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://desk:canary@127.0.0.1:1/desk")

    line = refusal(capsys, "--data-dir", data_dir, "--port", 0)

    assert line.startswith("bin/start: DATABASE_URL (postgres://127.0.0.1/desk) does not answer: ")
    assert "canary" not in line


def test_an_unreachable_valkey_is_one_line_without_its_password(data_dir, capsys, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:canary@127.0.0.1:1/0")

    line = refusal(capsys, "--data-dir", data_dir, "--port", 0)

    assert line.startswith("bin/start: REDIS_URL (redis://127.0.0.1/0) does not answer: ")
    assert "canary" not in line


def test_a_full_disk_is_one_line(data_dir, monkeypatch):
    monkeypatch.setattr(preflight, "NEEDED_BYTES", 10**18)

    with pytest.raises(CannotStart, match=r"has \d+ MB left and \d+ MB are needed; free some space"):
        preflight.data_folder(data_dir)


def test_a_data_folder_that_cannot_be_written_is_one_line(data_dir, capsys):
    file = data_dir / "file"
    file.write_text("")

    line = refusal(capsys, "--data-dir", file / "below")

    assert line.endswith("Not a directory; choose another with --data-dir")


def test_a_simulators_ledger_of_another_release_is_one_line_and_stays_as_it_is(data_dir, capsys):
    path = data_dir / "simulator.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id)")
    db.close()
    before = path.read_bytes()

    line = refusal(capsys, "--data-dir", data_dir, "--port", 0)

    assert "has format 0 and this release keeps format 3; nothing was changed." in line
    assert "exit every position there; then move the file away and begin with --new-timeline" in line
    assert path.read_bytes() == before


def test_prod_names_every_secret_it_lacks(data_dir, capsys):
    line = refusal(capsys, "-e", "prod", "--data-dir", data_dir)

    assert line == (
        "bin/start: prod refuses default secrets; set SECRET_KEY, VAULT_KEYS, SIMULATOR_TOKEN"
        " in the environment"
    )


@pytest.mark.parametrize("name", preflight.PROD_SECRETS)
def test_prod_settings_refuse_each_default_secret(name):
    own = {"SECRET_KEY": "x" * 60, "VAULT_KEYS": "a:" + "eA" * 22, "SIMULATOR_TOKEN": "y" * 30}
    environment = {key: value for key, value in os.environ.items() if key not in own}
    environment |= {"PLATFORM_ENV": "prod", **{k: v for k, v in own.items() if k != name}}

    done = subprocess.run(
        [sys.executable, "-c", "import optionsplatform.settings"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert f"prod refuses the default {name}; set {name} to your own" in done.stderr


def test_one_desk_runs_in_one_data_folder(data_dir, capsys):
    with preflight.only_supervisor(data_dir):
        line = refusal(capsys, "--data-dir", data_dir)

    assert line.startswith(f"bin/start: already running for {data_dir} (process {os.getpid()})")
    preflight.only_supervisor(data_dir).close()


def test_options_come_from_the_command_line_before_the_environment(monkeypatch, data_dir):
    monkeypatch.setenv("PLATFORM_ENV", "staging")
    monkeypatch.setenv("DATA_DIR", "/elsewhere")

    assert parse([]).environment == "staging"
    assert parse(["-e", "prod", "--data-dir", str(data_dir)]).data_dir == data_dir.resolve()
    assert parse(["--replay", "a.csv", "b.csv", "--speed", "60"]).replay == [Path("a.csv"), Path("b.csv")]
