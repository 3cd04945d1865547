"""Secrets at rest open only in their own place, and never show themselves."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.vault import Unsealable, Vault


def line(name: str, byte: int) -> str:
    return f"{name}:{base64.b64encode(bytes([byte]) * 32).decode()}"


OLD, NEW = line("2026a", 1), line("2026b", 2)
PLACE = {"table": "brokers_brokeraccount", "row": 7, "user": 3, "field": "token"}
places = st.fixed_dictionaries(
    {
        "table": st.text(max_size=8),
        "row": st.integers(0, 5),
        "user": st.integers(0, 5),
        "field": st.text(max_size=8),
    }
)


@given(st.text(), places)
def test_what_was_sealed_opens_in_its_place(plain, place):
    vault = Vault([NEW])

    assert vault.open_(vault.seal(plain, **place), **place) == plain


@given(places, places)
def test_a_ciphertext_moved_to_any_other_place_does_not_open(place, other):
    vault = Vault([NEW])
    sealed = vault.seal("secret", **place)

    if place == other:
        assert vault.open_(sealed, **other) == "secret"
    else:
        with pytest.raises(Unsealable):
            vault.open_(sealed, **other)


@given(st.integers(min_value=0, max_value=10_000))
def test_a_changed_ciphertext_does_not_open(position):
    vault = Vault([NEW])
    sealed = vault.seal("secret", **PLACE)
    head, _, body = sealed.partition(".")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[position % len(raw)] ^= 1

    with pytest.raises(Unsealable):
        vault.open_(f"{head}.{base64.urlsafe_b64encode(bytes(raw)).decode()}", **PLACE)


def test_the_same_secret_is_never_sealed_to_the_same_text_twice():
    vault = Vault([NEW])

    assert vault.seal("secret", **PLACE) != vault.seal("secret", **PLACE)


def test_a_rotated_vault_opens_old_secrets_and_seals_under_the_new_key():
    sealed = Vault([OLD]).seal("secret", **PLACE)
    rotated = Vault([NEW, OLD])

    assert rotated.open_(sealed, **PLACE) == "secret"
    assert not rotated.is_current(sealed)
    assert rotated.seal("secret", **PLACE).startswith("2026b.")


def test_without_its_key_a_secret_does_not_open():
    sealed = Vault([OLD]).seal("secret", **PLACE)

    with pytest.raises(Unsealable):
        Vault([NEW]).open_(sealed, **PLACE)


def test_a_key_relabelled_with_another_id_does_not_open():
    sealed = Vault([OLD]).seal("secret", **PLACE)

    with pytest.raises(Unsealable):
        Vault([line("other", 1)]).open_(sealed.replace("2026a", "other"), **PLACE)


def test_a_vault_and_its_errors_show_neither_key_nor_secret():
    vault = Vault([NEW])
    with pytest.raises(Unsealable) as caught:
        vault.open_(vault.seal("CANARY", **PLACE), **{**PLACE, "row": 8})

    assert repr(vault) == "Vault(2026b)"
    assert "CANARY" not in f"{caught.value!r}{vault!r}"
    assert NEW.partition(":")[2] not in f"{caught.value!r}{vault!r}"
