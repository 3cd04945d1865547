"""AES-256-GCM over one value: the key's id in front, associated data binds it to its place."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_BYTES = 32


class Unsealable(ValueError):
    """The token is broken, was moved to another place, or its key is not among the keys."""


class BadKey(ValueError):
    """A line of VAULT_KEYS is not `id:base64 of 32 bytes`."""


def read_keys(lines: Iterable[str]) -> dict[str, bytes]:
    """`["2026b:...", "2026a:..."]` as {id: key}, the newest first as given."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, start=1):
        key_id, _, encoded = line.strip().partition(":")
        if not key_id.isalnum() or key_id in keys:
            raise BadKey(f"key {number}: its id must be letters and digits, and used once")
        keys[key_id] = _decoded(number, encoded)
    if not keys:
        raise BadKey("there is no key; set VAULT_KEYS to id:base64 of 32 random bytes")
    return keys


def _decoded(number: int, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise BadKey(f"key {number} is not base64") from error
    if len(key) != KEY_BYTES:
        raise BadKey(f"key {number} has {len(key)} bytes, not {KEY_BYTES}")
    return key


def seal(plain: str, keys: Mapping[str, bytes], aad: bytes) -> str:
    """`plain` under the first key, as "id.base64"; the same text never gives the same token."""
    key_id = next(iter(keys))
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(keys[key_id]).encrypt(nonce, plain.encode(), _bound(key_id, aad))
    return f"{key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def unseal(token: str, keys: Mapping[str, bytes], aad: bytes) -> str:
    """The text that was sealed with this `aad`; the errors never contain the text or the token."""
    key_id, _, encoded = token.partition(".")
    if key_id not in keys:
        raise Unsealable("the key of this value is not in VAULT_KEYS")
    try:
        raw = base64.urlsafe_b64decode(encoded)
        plain = AESGCM(keys[key_id]).decrypt(
            raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(key_id, aad)
        )
    except (InvalidTag, ValueError):  # binascii.Error is a ValueError
        raise Unsealable("the value was changed or belongs to another place") from None
    return plain.decode()


def _bound(key_id: str, aad: bytes) -> bytes:
    return key_id.encode() + b"\0" + aad
