from pathlib import Path

import yaml

from optionsplatform.processes import BEATING, table

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SUPPORTING = {"postgres", "redis", "migrate"}
CONTAINED = table(
    web_port=8000,
    simulator_port=8900,
    web_host="0.0.0.0",  # noqa: S104 - inside a container
    simulator_host="0.0.0.0",  # noqa: S104 - inside a container
)


def test_containers_and_supervisor_run_the_same_processes():
    assert set(COMPOSE["services"]) - SUPPORTING == {process.name for process in CONTAINED}


def test_every_container_runs_the_command_of_its_process():
    commands = {process.name: ["python", *process.command] for process in CONTAINED}

    assert {name: COMPOSE["services"][name]["command"] for name in commands} == commands


def test_every_container_is_watched_and_says_its_name():
    for process in CONTAINED:
        service = COMPOSE["services"][process.name]
        assert service["environment"]["PROCESS_NAME"] == process.name
        probe = " ".join(service["healthcheck"]["test"])
        assert (process.url or f"optionsplatform.beating {process.name}") in probe


def test_no_secret_of_the_containers_has_a_default():
    environment = COMPOSE["services"]["web"]["environment"]

    for name in ("SECRET_KEY", "VAULT_KEYS", "SIMULATOR_TOKEN"):
        assert environment[name].startswith(f"${{{name}:?")


def test_only_the_web_is_published_and_only_to_this_machine():
    published = {name: s["ports"] for name, s in COMPOSE["services"].items() if "ports" in s}

    assert published == {"web": ["127.0.0.1:8000:8000"]}


def test_the_image_does_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert [line for line in lines if line.startswith("USER")] == ["USER desk"]


def test_every_process_but_web_and_simulator_beats():
    assert BEATING == ("worker", "beat", "market", "live", "streams")
