"""How an alarm leaves: a signed webhook or a Telegram message. HTTP out, an outcome back; never raises.

The address is resolved and judged at each attempt and the connection goes to that very address, so a
name cannot be pointed elsewhere in between. Redirects are not followed, answers are not read.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import httpx
import orjson
from django.conf import settings

from users import alarms

WITHIN = 5.0  # seconds for the whole of one attempt
NOT_NOW = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`said` never holds an address or a secret; `final`: trying again would not help."""

    ok: bool
    said: str
    final: bool = False


def send_webhook(*, url: str, secret: str, body: bytes, delivery: int, now: datetime) -> Outcome:
    """POST the body, signed with the channel's secret over the timestamp and the body."""
    try:
        target = _target(url)
    except _RefusedAddressError as error:
        return Outcome(ok=False, said=str(error))
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "Host": target.host_header,
        "X-Desk-Delivery": str(delivery),
        "X-Desk-Timestamp": str(timestamp),
        "X-Desk-Signature": f"v1={alarms.signature(secret, timestamp, body)}",
    }
    return _post(target.url, body, headers, sni=target.host)


def send_telegram(*, token: str, chat: str, text: str) -> Outcome:
    """One message of a bot to a chat."""
    url = f"{settings.TELEGRAM_URL}/bot{token}/sendMessage"
    body = orjson.dumps({"chat_id": chat, "text": text[:4000]})
    return _post(url, body, {"Content-Type": "application/json"}, sni=None)


class _RefusedAddressError(Exception):
    """The words of `alarms.refusal`, or that the name has no address."""


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    host: str
    host_header: str


def _target(url: str) -> _Target:
    """The URL with its host's judged address in place of the name."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # no such name, or one that is none
        raise _RefusedAddressError("Its host cannot be found.") from error
    addresses = sorted({str(row[4][0]).partition("%")[0] for row in found})
    if why := alarms.refusal(url, addresses, allow_loopback=settings.ALARMS_TO_LOOPBACK):
        raise _RefusedAddressError(why)
    host, first = parts.hostname or "", addresses[0]
    at = f"[{first}]" if ":" in first else first
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(f"{parts.scheme}://{at}:{port}{path}", host, parts.netloc)


def _post(url: str, body: bytes, headers: dict[str, str], *, sni: str | None) -> Outcome:
    try:
        status = asyncio.run(_status(url, body, headers, sni))
    except TimeoutError:
        return Outcome(ok=False, said=f"No answer within {WITHIN:g} s.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Outcome(ok=False, said=f"{type(error).__name__}.")
    final = 400 <= status < 500 and status not in NOT_NOW
    return Outcome(ok=200 <= status < 300, said=f"HTTP {status}.", final=final)


async def _status(url: str, body: bytes, headers: dict[str, str], sni: str | None) -> int:
    extensions = {} if sni is None else {"sni_hostname": sni}
    async with asyncio.timeout(WITHIN), httpx.AsyncClient(trust_env=False, timeout=WITHIN) as client:
        request = client.build_request("POST", url, content=body, headers=headers, extensions=extensions)
        answer = await client.send(request, stream=True, follow_redirects=False)
        await answer.aclose()
        return answer.status_code
