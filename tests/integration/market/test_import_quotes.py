"""Files of quotes: reported, or stored for a timeline."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from market import quotes, services
from market.models import LotFlag, MasterImport, Quote, Timeline
from tests.unit.market.importers import chains

pytestmark = pytest.mark.django_db
CLOSE = datetime(2025, 7, 16, 10, 0, tzinfo=UTC)


@pytest.fixture
def chain(tmp_path):
    path = tmp_path / "chain.json"
    path.write_bytes(
        chains.old_chain({"CE": chains.old_side(), "PE": chains.old_side(lastPrice=0)})
    )
    return path


@pytest.fixture
def live(db):
    return services.create_timeline(
        key="test-live-quotes", source="live", first_day=date(2025, 7, 16)
    )


def run(*arguments):
    said = StringIO()
    call_command("import_quotes", *arguments, stdout=said, no_color=True)
    return said.getvalue().replace("\r", "\n").splitlines()


def test_a_chain_is_reported_beside_the_exchanges_own_volatility_and_nothing_is_stored(chain):
    said = run(chain)

    assert said[2:5] == [
        "NSE option chain: 2 options, 1 quotes kept, 0 bad",
        "  left out 1: no last price: never traded",
        "16 Jul 2025 15:30: our volatility against the exchange's",
    ]
    assert said[5].startswith("  NIFTY 2025-07-31: all 1: median ")
    assert said[5].endswith("forward 25279.49 (synthetic)")
    assert Quote.objects.count() == 0


def test_a_chain_is_stored_as_the_last_quotes_of_a_live_timeline(chain, live, valkey):
    said = run(chain, "--timeline", live.key)

    assert said[-1] == "1 quotes stored for timeline test-live-quotes, frame 1"
    row = Quote.objects.get(timeline=live)
    assert (row.symbol, row.bid, row.ltp, row.oi, row.volume, row.at) == (
        "NIFTY-20250731-25200-CE", Decimal(250), Decimal("250.05"), 325, 900, CLOSE,
    )  # fmt: skip
    live.refresh_from_db()
    assert (live.market_now, live.frame) == (CLOSE, 1)
    frame = quotes.latest(live.key)
    assert frame.quotes["NIFTY-20250731-25200-CE"].oi == 325
    assert frame.forwards["NIFTY", date(2025, 7, 31)] == Decimal("25279.49")


def test_the_chain_of_the_api_shows_what_was_stored(api, tmp_path, live, valkey):
    path = tmp_path / "chain.json"
    rows = [
        {
            "CE": chains.old_side(strikePrice=strike, lastPrice=call, bidprice=0, askPrice=0),
            "PE": chains.old_side(strikePrice=strike, lastPrice=call - 68, bidprice=0, askPrice=0),
        }
        for strike, call in ((25200, 268), (25300, 200))
    ]
    path.write_bytes(chains.old_chain(*rows))
    services.activate_timeline(timeline=live, now=CLOSE)

    run(path, "--timeline", live.key)
    body = api.get("/options/market/chain?underlying=NIFTY&expiry=2025-07-31").json()

    assert (body["source"], body["frame"], body["spot"]) == ("live", 1, "25212.05")
    assert [row["call"]["ltp"] for row in body["data"]] == ["268.00", "200.00"]
    assert all(0.05 < row["call"]["iv"] < 0.3 for row in body["data"])


def test_a_timeline_that_makes_its_own_quotes_takes_none_from_a_file(chain, timeline):
    with pytest.raises(CommandError, match="come from its own source"):
        run(chain, "--timeline", timeline.key)

    assert Quote.objects.count() == 0


def test_market_time_does_not_go_back(chain, live):
    Timeline.objects.filter(pk=live.pk).update(market_now=datetime(2025, 7, 17, 4, 0, tzinfo=UTC))

    with pytest.raises(CommandError, match="the timeline has reached 2025-07-17"):
        run(chain, "--timeline", live.key)


def test_an_unknown_timeline_is_named(chain):
    with pytest.raises(CommandError, match="there is no 'nowhere'"):
        run(chain, "--timeline", "nowhere")


def test_a_recorded_instant_is_chosen_by_its_time(tmp_path):
    path = tmp_path / "recorded.csv"
    path.write_text(
        chains.RECORDED_HEADER
        + "2026-07-15 09:17:14,NIFTY,2026-07-21,24092.6,24100,10,20,12.5,100.05,90.0,13.5,30,40\n"
        + "2026-07-15 09:32:10,NIFTY,2026-07-21,24100.6,24100,10,20,12.5,101.05,91.0,13.4,31,41\n"
    )

    assert run(path)[3].startswith("15 Jul 2026 09:32")
    assert run(path, "--at", "2026-07-15T09:30")[3].startswith("15 Jul 2026 09:17")
    with pytest.raises(CommandError, match="nothing at or before"):
        run(path, "--at", "2026-07-15T09:00")


def test_the_lots_of_a_bhavcopy_are_compared_with_the_facts(tmp_path):
    path = tmp_path / "bhavcopy.csv"
    path.write_bytes(chains.udiff(chains.udiff_row(lot="75")))

    said = run(path)
    run(path)

    assert "  FLAG NIFTY 2026-09-15: The file has a lot of 75, the facts 65." in said
    flag = LotFlag.objects.get()
    assert (flag.source, flag.lot, flag.known_lot, flag.why) == ("bhavcopy", 75, 65, "other_lot")
    assert MasterImport.objects.get().kept == 1


def test_a_file_of_another_kind_is_refused_by_name(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("one,two\n")

    with pytest.raises(CommandError, match="Known: NSE option chain JSON"):
        run(path)
