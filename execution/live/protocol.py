"""What a client may say on /ws/live, checked before anything acts on it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from execution.live import chains
from execution.live.events import EVENT_CHANNELS

BASKET = re.compile(r"positions:([1-9][0-9]{0,17})")
STATE_CHANNELS = ("positions", "summary", "market", "system")
SHARED_CHANNELS = ("market", "system")
MOST_CHAINS = 4
LARGEST_MESSAGE = 8192
MOST_CHANNELS = 64
FASTEST_HZ = 10.0


class BadMessage(ValueError):
    """The client does not speak this protocol; its socket closes with 4400."""


class NoSuchChannel(LookupError):
    """A channel that does not exist; the socket lives on, the client is told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One channel to subscribe; `epoch` and `seq` say what the client already has of an EVENT one."""

    name: str
    interval: float
    epoch: str = ""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    op: Literal["sub", "unsub", "resync"]
    id: int | None
    channels: tuple[Wanted, ...]


def is_event(channel: str) -> bool:
    return channel in EVENT_CHANNELS


def is_chain(channel: str) -> bool:
    """`chain:<underlying>:<expiry>`, whether or not the market quotes it."""
    return chains.series_of(channel) is not None


def is_shared(channel: str) -> bool:
    """Whether everybody is told the same there."""
    return channel in SHARED_CHANNELS or is_chain(channel)


def basket_of(channel: str) -> int | None:
    """The basket of `positions:<id>`, None for every other channel that exists."""
    if channel in STATE_CHANNELS or is_event(channel) or is_chain(channel):
        return None
    match = BASKET.fullmatch(channel)
    if match is None:
        raise NoSuchChannel(channel)
    return int(match[1])


def parse(text: str) -> Request:
    """The request, or BadMessage saying what is wrong with it."""
    document = _document(text)
    op = document.get("op")
    number = document.get("id")
    if number is not None and not _is_int(number):
        raise BadMessage("id must be a whole number.")
    channels = document.get("ch")
    if op == "resync":
        return Request("resync", number, (_wanted({"n": channels, "seq": document.get("seq"), "epoch": document.get("epoch", "")}),))
    if op not in ("sub", "unsub"):
        raise BadMessage("op must be sub, unsub or resync.")
    if not isinstance(channels, list) or not 1 <= len(channels) <= MOST_CHANNELS:
        raise BadMessage(f"ch must be a list of 1 to {MOST_CHANNELS} channels.")
    return Request(op, number, tuple(_wanted(item) for item in channels))


def _document(text: str) -> dict[str, Any]:
    if len(text) > LARGEST_MESSAGE:
        raise BadMessage(f"a message may have at most {LARGEST_MESSAGE} characters.")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadMessage("a message must be JSON.") from error
    if not isinstance(document, dict):
        raise BadMessage("a message must be a JSON object.")
    return document


def _wanted(item: Any) -> Wanted:
    if isinstance(item, str):
        item = {"n": item}
    if not isinstance(item, dict) or not isinstance(item.get("n"), str):
        raise BadMessage("each channel needs its name in n.")
    hz, epoch, seq = item.get("hz", FASTEST_HZ), item.get("epoch", ""), item.get("seq")
    if isinstance(hz, bool) or not isinstance(hz, int | float) or not 0 < hz <= FASTEST_HZ:
        raise BadMessage(f"hz must be above 0 and at most {FASTEST_HZ:g}.")
    if not isinstance(epoch, str) or not (seq is None or (_is_int(seq) and seq >= 0)):
        raise BadMessage("epoch must be text and seq a whole number.")
    return Wanted(item["n"], 1 / hz, epoch, seq)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
