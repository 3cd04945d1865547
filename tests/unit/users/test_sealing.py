import base64

import pytest

from users.sealing import BadKey, Unsealable, read_keys, seal, unseal

OLD = "a:" + base64.b64encode(b"1" * 32).decode()
NEW = "b:" + base64.b64encode(b"2" * 32).decode()
PLACE = b"table.row.user.field"


def test_what_was_sealed_opens_at_its_place():
    keys = read_keys([NEW])

    assert unseal(seal("हीरा secret", keys, PLACE), keys, PLACE) == "हीरा secret"


def test_the_newest_key_seals_and_the_old_ones_still_open():
    old_token = seal("x", read_keys([OLD]), PLACE)
    keys = read_keys([NEW, OLD])

    assert unseal(old_token, keys, PLACE) == "x"
    assert seal("x", keys, PLACE).startswith("b.")


def test_the_same_text_never_gives_the_same_token():
    keys = read_keys([NEW])

    assert seal("x", keys, PLACE) != seal("x", keys, PLACE)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda token: token, b"another.place"),
        (lambda token: token[:-6] + "AAAA==", PLACE),
        (lambda token: "b.", PLACE),
        (lambda token: "b.%%%", PLACE),
        (lambda token: "gone." + token[2:], PLACE),
        (lambda token: "", PLACE),
    ],
)
def test_a_changed_or_moved_token_does_not_open_and_the_error_keeps_the_secret(change, place):
    keys = read_keys([NEW])
    token = seal("canary-4711", keys, PLACE)

    with pytest.raises(Unsealable) as error:
        unseal(change(token), keys, place)

    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "there is no key"),
        (["a:short"], "not base64"),
        (["a:" + base64.b64encode(b"1" * 16).decode()], "16 bytes, not 32"),
        ([OLD, OLD], "used once"),
        ([":" + OLD[2:]], "letters and digits"),
    ],
)
def test_a_wrong_key_line_is_named_without_the_key(lines, words):
    with pytest.raises(BadKey, match=words):
        read_keys(lines)
