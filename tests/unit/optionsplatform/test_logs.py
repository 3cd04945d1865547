import json
import logging
import logging.config

import pytest
import structlog

from optionsplatform import environments, logs

CANARY = "canary-7Q2x"


@pytest.fixture
def log_lines(tmp_path):
    """Log through the real configuration; answers what reached the file."""
    before = structlog.get_config()
    logging.config.dictConfig(
        logs.configuration(directory=tmp_path, process="web", retention_days=7)
    )
    logs.use_structlog()
    yield lambda: [json.loads(line) for line in (tmp_path / "web.log").read_text().splitlines()]
    structlog.configure(**before)
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@pytest.mark.parametrize(("environment", "days"), [("dev", 7), ("staging", 30), ("prod", 90)])
def test_a_process_keeps_as_many_daily_files_as_its_environment_says(tmp_path, environment, days):
    retention = environments.load(environment).log_retention_days

    handler = logs.process_file(directory=str(tmp_path), process="web", retention_days=retention)

    assert handler.when == "MIDNIGHT"
    assert handler.backupCount == days


def test_older_files_than_the_retention_are_removed_and_others_are_left(tmp_path):
    handler = logs.process_file(directory=str(tmp_path), process="web", retention_days=7)
    for day in range(1, 11):
        (tmp_path / f"web.log.2026-08-{day:02}").write_text("old")
    (tmp_path / "market.log.2026-08-01").write_text("of another process")

    doomed = sorted(handler.getFilesToDelete())

    assert doomed == [str(tmp_path / f"web.log.2026-08-{day:02}") for day in (1, 2, 3)]


def test_a_line_is_one_json_object_with_its_process_time_and_values(log_lines, monkeypatch):
    monkeypatch.setenv("PROCESS_NAME", "web")
    structlog.get_logger("execution.engine").info("order acked", order=12, account=3)

    (line,) = log_lines()

    assert line["message"] == "order acked"
    assert (line["order"], line["account"]) == (12, 3)
    assert (line["level"], line["logger"], line["process"]) == ("info", "execution.engine", "web")
    assert line["timestamp"].endswith("Z")


def test_a_standard_log_line_is_json_too(log_lines):
    logging.getLogger("a.library").warning("port %s", 8000)

    assert log_lines()[0]["message"] == "port 8000"


def test_no_secret_reaches_the_file(log_lines, capsys):
    log = structlog.get_logger("users")
    log.warning("signed in", password=CANARY, api_key=CANARY, headers={"Authorization": CANARY})
    log.warning("connected", url=f"redis://:{CANARY}@127.0.0.1:6379/0")
    logging.getLogger("x").warning("asked with Bearer %s", CANARY)
    logging.getLogger("x").warning("postgres://desk:%s@db/desk", CANARY)

    assert CANARY not in json.dumps(log_lines())
    assert CANARY not in capsys.readouterr().err
    assert log_lines()[1]["url"] == "redis://:[hidden]@127.0.0.1:6379/0"


def test_without_a_process_name_no_file_is_written(tmp_path):
    wanted = logs.configuration(directory=tmp_path, process="", retention_days=7)

    assert list(wanted["handlers"]) == ["console"]
    assert list(tmp_path.iterdir()) == []
