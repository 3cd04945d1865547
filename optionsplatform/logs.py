"""JSON lines in one file per process, plain lines on the console; no secret in either.

A file is turned over at midnight and removed after the environment's log_retention_days. Audit
entries, orders and fills are rows, not log lines: nothing here removes them.
"""

from __future__ import annotations

import logging
import os
import re
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

SECRET_KEY = re.compile(
    r"passw|secret|token|authorization|api_?key|cookie|totp|credential|session_?id|vault", re.IGNORECASE
)
URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")
BEARER = re.compile(r"(Bearer\s+)[\w.~+/=-]+", re.IGNORECASE)
HIDDEN = "[hidden]"


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Blank the values of secret-looking keys, passwords in URLs and bearer tokens."""
    return {key: HIDDEN if SECRET_KEY.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return BEARER.sub(rf"\1{HIDDEN}", URL_PASSWORD.sub(rf"\1{HIDDEN}@", value))
    if isinstance(value, dict):
        return {
            key: HIDDEN if SECRET_KEY.search(str(key)) else _clean(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value


def _name_process(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {"process": os.environ.get("PROCESS_NAME", "manage"), **event}


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def json_lines() -> logging.Formatter:
    """One JSON object a line."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            _name_process,
            hide_secrets,
            structlog.processors.JSONRenderer(default=str),
        ],
    )


def plain_lines() -> logging.Formatter:
    """For a person at a terminal."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
    )


def process_file(*, directory: str, process: str, retention_days: int) -> logging.Handler:
    """The rotating file of this process: a new one each day, kept for so many days."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    return TimedRotatingFileHandler(
        Path(directory) / f"{process}.log",
        when="midnight",
        backupCount=retention_days,
        encoding="utf-8",
        delay=True,
        utc=True,
    )


def process_file_from_environment() -> logging.Handler:
    """For uvicorn's log file, read before Django's settings (and by the simulator without them)."""
    return process_file(
        directory=os.environ["LOG_DIR"],
        process=os.environ["PROCESS_NAME"],
        retention_days=int(os.environ["LOG_RETENTION_DAYS"]),
    )


def configuration(*, directory: Path, process: str, retention_days: int) -> dict[str, Any]:
    """Django's LOGGING. Without a process name (a command, a test) only the console is written."""
    handlers: dict[str, Any] = {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "level": "WARNING" if process else "INFO",
        }
    }
    if process:
        handlers["file"] = {
            "()": process_file,
            "directory": str(directory),
            "process": process,
            "retention_days": retention_days,
            "formatter": "json",
        }
    above = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": json_lines}, "plain": {"()": plain_lines}},
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": "INFO"},
        "loggers": {
            **dict.fromkeys(("uvicorn", "uvicorn.error", "django", "django.server"), above),
            "celery.app.trace": {"level": "WARNING"},  # one line a second otherwise
            "celery.beat": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
        },
    }


def use_structlog() -> None:
    """Send structlog through the standard loggers, so that one configuration rules both."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
