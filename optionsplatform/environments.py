"""The platform's documented keys, read from environments.json and checked: a wrong key stops the start."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("environments.json")
NAMES = ("dev", "staging", "prod")


class WrongEnvironment(ValueError):
    """A key of environments.json is missing, unknown or of the wrong type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment's values; the types here are what the file is checked against."""

    market_data_ttl_seconds: int
    enable_realtime_websocket: bool
    max_strategies_per_basket: int
    max_legs_per_strategy: int
    execution_timeout_seconds: int
    enable_paper_trading: bool
    log_retention_days: int
    cors_allowed_origins: list[str]
    market_profile: str | None
    indian_market_config: dict[str, Any]


TYPES: dict[str, type | tuple[type, ...]] = {
    "market_data_ttl_seconds": int,
    "enable_realtime_websocket": bool,
    "max_strategies_per_basket": int,
    "max_legs_per_strategy": int,
    "execution_timeout_seconds": int,
    "enable_paper_trading": bool,
    "log_retention_days": int,
    "cors_allowed_origins": list,
    "market_profile": (str, type(None)),
    "indian_market_config": dict,
}


def load(name: str, *, file: Path = FILE) -> Environment:
    """The environment called `name`; WrongEnvironment names the key that is wrong."""
    if name not in NAMES:
        raise WrongEnvironment(f"environment {name!r} is unknown; use one of {', '.join(NAMES)}")
    document = json.loads(file.read_text())
    values = document[name]
    _check(name, values)
    profile = values["market_profile"]
    if profile is not None:
        if profile not in document["profiles"]:
            raise WrongEnvironment(f"{name}.market_profile {profile!r} is not under profiles")
        values = {**values, "indian_market_config": document["profiles"][profile]}
    return Environment(**values)


def _check(name: str, values: dict[str, Any]) -> None:
    known = {field.name for field in fields(Environment)}
    if unknown := values.keys() - known:
        raise WrongEnvironment(f"{name} has unknown keys: {', '.join(sorted(unknown))}")
    if missing := known - values.keys():
        raise WrongEnvironment(f"{name} lacks keys: {', '.join(sorted(missing))}")
    for key, value in values.items():
        wanted = TYPES[key]
        is_bool_for_int = wanted is int and isinstance(value, bool)
        if not isinstance(value, wanted) or is_bool_for_int:
            raise WrongEnvironment(f"{name}.{key} is {value!r}, expected {wanted}")
        if isinstance(value, int) and wanted is int and value <= 0:
            raise WrongEnvironment(f"{name}.{key} is {value}, expected a number above 0")
