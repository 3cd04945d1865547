"""What a client may say, and what closes its socket."""

import pytest

from execution.live.protocol import BadMessage, NoSuchChannel, Wanted, basket_of, parse


def test_a_subscription_names_channels_their_rate_and_what_the_client_has():
    request = parse('{"id":1,"op":"sub","ch":[{"n":"positions:12","hz":4},{"n":"orders","epoch":"k3","seq":1841}]}')

    assert (request.op, request.id) == ("sub", 1)
    assert request.channels == (Wanted("positions:12", 0.25), Wanted("orders", 0.1, "k3", 1841))


def test_a_resync_names_one_channel():
    assert parse('{"op":"resync","ch":"positions:12"}').channels == (Wanted("positions:12", 0.1),)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"op":"buy","ch":["orders"]}',
        '{"op":"sub"}',
        '{"op":"sub","ch":[]}',
        '{"op":"sub","ch":[7]}',
        '{"op":"sub","ch":[{"n":"orders","hz":0}]}',
        '{"op":"sub","ch":[{"n":"orders","hz":1000}]}',
        '{"op":"sub","ch":[{"n":"orders","seq":-1}]}',
        '{"op":"sub","ch":[{"n":"orders","seq":"7"}]}',
        '{"op":"sub","id":"x","ch":["orders"]}',
        '{"op":"resync"}',
        '{"op":"sub","ch":["' + "x" * 9000 + '"]}',
    ],
)
def test_anything_else_is_a_bad_message(text):
    with pytest.raises(BadMessage):
        parse(text)


def test_only_known_channels_exist():
    assert basket_of("positions:12") == 12
    assert basket_of("positions") is None
    for name in ("positions:0", "positions:x", "positions:1:2", "everything", "live:1"):
        with pytest.raises(NoSuchChannel):
            basket_of(name)
