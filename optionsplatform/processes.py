"""The one table of processes that make a running desk; docker-compose.yml has the same."""

from __future__ import annotations

import socket
from dataclasses import dataclass

HEARTBEAT_SECONDS = 10  # a process renews heartbeat:{name} in Valkey about once a second
LOG_CONFIG = "optionsplatform/uvicorn_logs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A command after `python`, and how it says that it is up: a URL to ask, or its heartbeat."""

    name: str
    command: tuple[str, ...]
    url: str = ""
    beats_as: str = ""  # the name of its heartbeat where that is not its own name

    @property
    def heartbeat(self) -> str:
        return self.beats_as or self.name

    @property
    def beats(self) -> bool:
        return not self.url


def table(
    *,
    web_port: int,
    simulator_port: int,
    web_host: str = "127.0.0.1",
    simulator_host: str = "127.0.0.1",
    workers: int = 1,
) -> tuple[Process, ...]:
    """Every process in its order of start; they stop the other way round. Workers need no setting up:
    each takes what the others leave in the queue, the rows say who has what."""
    return (
        Process(
            name="simulator",
            command=_uvicorn("brokers.simulator.asgi:application", simulator_host, simulator_port),
            url=f"http://127.0.0.1:{simulator_port}/healthz",
        ),
        Process(
            name="web",
            command=_uvicorn("optionsplatform.asgi:application", web_host, web_port),
            url=f"http://127.0.0.1:{web_port}/healthz",
        ),
        *(
            Process(
                name="worker" if n == 1 else f"worker-{n}",
                command=_celery("worker", "--pool=threads", "--concurrency=8", "--queues=orders,celery")
                + ("--without-gossip", "--without-mingle", "--without-heartbeat")
                + (("--hostname", f"worker-{n}@%h") if n > 1 else ()),
                beats_as=worker_name("worker" if n == 1 else f"worker-{n}"),
            )
            for n in range(1, workers + 1)
        ),
        Process(
            name="beat",
            command=_celery("beat", "--scheduler=celery.beat:Scheduler", "--pidfile="),
        ),
        Process(name="market", command=("manage.py", "run_market", "--wait-for", "worker")),
        Process(name="live", command=("manage.py", "run_live")),
        Process(name="streams", command=("manage.py", "run_streams")),
    )


def worker_name(process: str) -> str:
    """Of one worker process among all that take from the queue: they may be on several machines."""
    return f"{process}@{socket.gethostname()}"


def _uvicorn(application: str, host: str, port: int) -> tuple[str, ...]:
    where = ("--host", host, "--port", str(port))
    return ("-m", "uvicorn", application, *where, "--no-access-log", "--log-config", LOG_CONFIG)


def _celery(*arguments: str) -> tuple[str, ...]:
    return ("-m", "celery", "-A", "optionsplatform", "-q", *arguments)


BEATING = tuple(
    process.name
    for process in table(web_port=0, simulator_port=0)
    if process.beats
)
