import json
import os
import pwd
import shutil
import socket
import stat
import threading
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from optionsplatform import runtime
from optionsplatform.embedded import Services, throwaway
from optionsplatform.kept import Kept, free_port, urls
from optionsplatform.runtime import CannotStart


@pytest.fixture
def services(data_dir):
    yield from _running(data_dir)


@pytest.fixture(scope="module")
def looked_at(shared_data_dir):
    """For tests that stop and change nothing."""
    yield from _running(shared_data_dir)


def _running(data_dir):
    running = Services(data_dir, durable=False)
    running.start()
    yield running
    running.stop()


def number_in(services):
    with psycopg.connect(services.postgres.url()) as connection:
        return connection.execute("SELECT n FROM kept").fetchone()[0]


def test_a_second_start_reuses_what_runs_and_keeps_its_rows(looked_at, shared_data_dir):
    with psycopg.connect(looked_at.postgres.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    pids = [service.process().pid for service in looked_at]

    again = Services(shared_data_dir, durable=False)

    assert again.start() is True
    assert [service.process().pid for service in again] == pids
    assert number_in(again) == 7


def test_a_killed_server_is_followed_once_its_last_backend_has_gone(services):
    """A backend amid a statement outlives the server that started it, and holds its memory."""
    with psycopg.connect(services.postgres.url()) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        backend.suspend()
        server = services.postgres.process()
        server.kill()
        server.wait(10)
        threading.Timer(1.0, backend.kill).start()

        assert services.postgres.start() is False

        connection.close()
    assert services.postgres.answers()


def test_rows_and_addresses_survive_a_stop(services, data_dir):
    with psycopg.connect(services.postgres.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    before = services.environment()

    services.stop()
    assert [service.process() for service in services] == [None, None]
    again = Services(data_dir, durable=False)
    assert again.start() is False

    assert number_in(again) == 7
    assert again.environment() == before
    again.stop()


def test_a_server_that_was_killed_is_started_again(services):
    for service in services:
        process = service.process()
        process.kill()
        process.wait(10)

    assert services.start() is False
    assert all(service.answers() for service in services)


def test_a_stale_pid_of_somebody_else_is_left_alone(services, data_dir):
    services.stop()
    stranger = os.getpid()
    postmaster = services.runtime.folder / "postgres" / "data" / "postmaster.pid"
    postmaster.write_text(f"{stranger}\n{postmaster.parent}\n")
    (services.runtime.folder / "valkey" / "valkey.pid").write_text(str(stranger))

    assert [service.process() for service in services] == [None, None]
    assert services.start() is False

    assert psutil.pid_exists(stranger)
    assert all(service.answers() for service in services)
    assert all(service.process() for service in services)


def test_a_server_that_forgot_its_password_is_replaced(services, data_dir):
    old = services.valkey.process().pid
    kept = json.loads((data_dir / "services.json").read_text())
    kept["valkey_password"] = "another"
    (data_dir / "services.json").write_text(json.dumps(kept))

    again = Services(data_dir, postgres=False)

    assert again.start() is False
    assert again.valkey.process().pid != old
    again.stop()


def test_a_port_that_was_taken_meanwhile_is_given_up(services, data_dir):
    services.stop()
    old = services.environment()
    port = int(old["REDIS_URL"].rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        again = Services(data_dir, postgres=False)
        again.start()

        assert again.environment()["REDIS_URL"] != old["REDIS_URL"]
        again.stop()


def test_a_port_that_is_let_go_a_moment_later_is_kept(data_dir):
    kept = Kept(data_dir)
    port = kept.port("valkey")
    server = socket.create_server(("127.0.0.1", port))
    later = threading.Timer(0.3, server.close)
    later.start()

    assert kept.claim_port("valkey") == port
    later.join()


def test_a_stranger_without_the_password_gets_in_nowhere(looked_at):
    url = looked_at.valkey.url()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url("redis://" + url.rpartition("@")[2]).ping()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect("postgres://postgres@" + looked_at.postgres.url().rpartition("@")[2])


def test_passwords_are_readable_by_their_owner_only(looked_at, shared_data_dir):
    assert stat.S_IMODE((shared_data_dir / "services.json").stat().st_mode) == 0o600


def test_manage_py_finds_the_services_of_the_desk(looked_at, shared_data_dir):
    found = urls(shared_data_dir)

    assert found["DATABASE_URL"] == looked_at.postgres.url()
    assert found["REDIS_URL"] == looked_at.valkey.url()


def test_an_interrupted_first_start_begins_again(data_dir):
    services = Services(data_dir, valkey=False, durable=False)
    half = services.runtime.folder / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")

    services.start()

    assert services.postgres.answers()
    services.stop()


def test_a_data_folder_of_another_postgresql_is_refused_in_one_line(data_dir):
    services = Services(data_dir, valkey=False)
    data = services.runtime.folder / "postgres" / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")

    with pytest.raises(CannotStart, match="was made by PostgreSQL 16 and this is 18"):
        services.start()


def test_throwaway_services_leave_nothing_behind():
    with throwaway() as services:
        folder = services.runtime.folder
        processes = [service.process() for service in services]
        assert all(service.answers() for service in services)

    assert not folder.exists()
    assert not any(process.is_running() for process in processes)


def test_root_runs_the_services_as_nobody(as_root, looked_at):
    nobody = pwd.getpwnam("nobody").pw_uid

    assert [service.process().uids().real for service in looked_at] == [nobody, nobody]


def test_root_in_a_private_folder_keeps_the_services_elsewhere_and_says_so(as_root, private_dir):
    services = Services(private_dir, durable=False)

    assert services.start() is False
    assert services.runtime.folder.parent != private_dir
    assert str(services.runtime.folder) in services.runtime.note
    again = Services(private_dir, durable=False)
    assert again.runtime.folder == services.runtime.folder
    assert again.start() is True
    services.stop()


def test_a_copied_private_folder_does_not_share_the_database(as_root, private_dir):
    Services(private_dir)
    copy = private_dir.with_name("copy")
    shutil.copytree(private_dir, copy)

    with pytest.raises(CannotStart, match="is a copy of"):
        Services(copy)
    shutil.rmtree(copy)


def test_programs_in_a_private_folder_are_copied_to_where_nobody_can_run_them(
    as_root, private_dir, monkeypatch
):
    wheel, hidden = runtime.programs().parents[1], private_dir.parent / "hidden"
    shutil.copytree(wheel / "pginstall18", hidden / wheel.name / "pginstall18", symlinks=True)
    shutil.copytree(f"{wheel}.libs", hidden / f"{wheel.name}.libs")
    monkeypatch.setattr(runtime, "programs", lambda: hidden / wheel.name / "pginstall18" / "bin")

    services = Services(private_dir, durable=False)

    assert services.start() is False
    assert services.runtime.postgres_programs.is_relative_to(services.runtime.folder)
    services.stop()
    shutil.rmtree(hidden)


def test_a_free_port_is_none_in_use_and_none_that_a_client_is_given_by_chance():
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    port = free_port()

    assert 10_000 <= port < lowest
    with socket.create_server(("127.0.0.1", port)):
        assert free_port() != port


def test_postgresql_stops_cleanly(services):
    process = services.postgres.process()
    services.postgres.stop()

    assert not process.is_running()
    log = (services.runtime.folder / "postgres" / "postgres.log").read_text()
    assert "database system is shut down" in log
