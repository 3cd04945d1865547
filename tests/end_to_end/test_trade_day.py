"""`manage.py trade_day` as a user runs it, on a small recorded day and on the real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from math import erf, exp, log, sqrt
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from execution.headless.tables import lines

ROOT = Path(__file__).resolve().parents[2]
RECOMPUTE = Path(__file__).with_name("recompute.py")
DATA = os.environ.get("MARKET_DATA_DIR", "")

DAY = date(2026, 8, 4)
EXPIRIES = (date(2026, 8, 4), date(2026, 8, 11), date(2026, 8, 25))
STRIKES = range(24000, 25251, 50)
STRETCHES = (("09:15", "09:24"), ("14:55", "15:08"), ("15:13", "15:15"), ("15:38", "15:40"))
FAULTS = """\
2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,91.00,PREOPEN_STALE
2026-08-04 09:16,NIFTY,2026-08-04,24600,CE,none,NORMAL
2026-08-04 09:16,NIFTY,2026-08-04,24600
"""
ALL_PAIRS = [
    "Iron Condor on Zerodha",
    "Iron Condor on Angel One",
    "Covered Call on Zerodha",
    "Cash Secured Put on Finvasia",
    "Cash Secured Put on Angel One",
]


def by_itself(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, without a desk or a database that it could use."""
    without = {name: value for name, value in os.environ.items()
               if name not in ("DATABASE_URL", "REDIS_URL", "PROCESS_NAME")}  # fmt: skip
    return subprocess.run(
        [sys.executable, "manage.py", "trade_day", *map(str, arguments)],
        cwd=ROOT, env=without | environment, capture_output=True, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trade_day(django_db_blocker):
    """What the command prints; here, where nothing has to be loaded first."""

    def run(*arguments: object) -> str:
        printed = StringIO()
        with django_db_blocker.unblock():
            call_command("trade_day", *map(str, arguments), stdout=printed)
        return printed.getvalue()

    return run


def recompute(report: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(RECOMPUTE)], input=report, capture_output=True, text=True
    )


def moments() -> Iterator[datetime]:
    for first, last in STRETCHES:
        at, end = (datetime.fromisoformat(f"{DAY} {text}") for text in (first, last))
        while at <= end:
            yield at
            at += timedelta(minutes=1)


def rows() -> Iterator[str]:
    for at in moments():
        minutes = (at - datetime.fromisoformat(f"{DAY} 09:15")).seconds // 60
        forward = 24600 + 0.1 * minutes
        for expiry in EXPIRIES:
            closes = datetime.fromisoformat(f"{expiry} 16:00")
            years = (closes - at).total_seconds() / (365 * 86400)
            for strike in STRIKES:
                for kind in ("CE", "PE"):
                    price = premium(forward, strike, years, kind)
                    yield f"{at:%Y-%m-%d %H:%M},NIFTY,{expiry},{strike},{kind},{price:.2f},NORMAL"


def premium(forward: float, strike: float, years: float, kind: str) -> float:
    """Black's price at 12% volatility, on the tick."""
    deviation = 0.12 * sqrt(years)
    d1 = log(forward / strike) / deviation + deviation / 2
    sign = 1 if kind == "CE" else -1
    value = sign * (forward * cdf(sign * d1) - strike * cdf(sign * (d1 - deviation)))
    return max(round(value * exp(-0.065 * years) / 0.05), 1) * 0.05


def cdf(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """A minute's snapshots around the trading times, with gaps, and four rows that are not usable."""
    path = tmp_path_factory.mktemp("recorded") / "nifty_small.csv"
    usable = list(rows())
    path.write_text(
        "snapshot_ist,underlying,expiry,strike,type,ltp,session\n"
        + "\n".join([*usable, usable[0]]) + "\n" + FAULTS
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def printed(trade_day, recording) -> str:
    return trade_day(recording, "--json")


@pytest.fixture(scope="module")
def report(printed):
    return json.loads(printed)


@pytest.fixture(scope="module")
def final(trade_day, recording) -> str:
    return trade_day(recording, "--json", "--settlement", "NIFTY=24300.5")


@pytest.fixture(scope="module")
def told(trade_day, recording, tmp_path_factory):
    """A day with times of its own: (what is printed without --json, the document of its --report)."""
    folder = tmp_path_factory.mktemp("told")
    text = trade_day(recording, "--entry", "09:22", "--exit", "14:57", "--report", folder)
    return text, json.loads((folder / "report.json").read_text())


def by_pair(report, phase):
    return {row["pair"]: row for row in report["executions"] if row["phase"] == phase}


def ist(text):
    return f"2026-08-04T{text}:00+05:30"


def test_the_basket_trades_the_recorded_day(report):
    entries, exits = by_pair(report, "entry"), by_pair(report, "exit")

    assert {name: row["status"] for name, row in entries.items()} == dict.fromkeys(ALL_PAIRS, "done")
    assert {row["started"] for row in entries.values()} == {ist("09:20")}
    assert [row["status"] for row in by_pair(report, "roll").values()] == ["done"]
    assert sorted(exits) == sorted(ALL_PAIRS[:2])
    allocated = {row["pair"]: row["lots_allocated"] for row in report["pairs"]}
    assert list(allocated.items()) == list(zip(ALL_PAIRS, (2, 1, 5, 3, 2), strict=True))
    for row in report["pairs"]:
        assert set(row["lots_filled"].values()) == {row["lots_allocated"]}
    assert report["ledger"]["unexplained"] == 0


def test_the_same_input_gives_the_same_bytes_on_any_database(printed, recording, tmp_path):
    """The second run has no DATABASE_URL and no desk: the command brings a PostgreSQL of its own."""
    services = tmp_path / "services"
    services.mkdir(mode=0o755)

    again = by_itself(recording, "--json", DATA_DIR=str(tmp_path / "no-desk"), TMPDIR=str(services))

    assert again.returncode == 0, again.stderr.decode()
    assert again.stdout == printed.encode()
    assert list(services.iterdir()) == []
    assert not (tmp_path / "no-desk" / "services.json").exists()


def test_the_text_says_what_the_json_says(told):
    text, document = told

    assert text == "\n".join(lines(document)) + "\n"
    assert "PROVISIONAL" in text


def test_a_script_of_its_own_agrees_to_the_paisa(printed, final):
    for each in (printed, final):
        checked = recompute(each)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert checked.stdout.splitlines()[-1] == "All agree to the paisa; filled lots equal allocated lots."


@pytest.mark.parametrize(
    ("part", "column", "value"),
    [
        ("fills", "price", "1.23"),
        ("fills", "quantity", 64),
        ("pairs", "charges", "0.00"),
        ("strategies", "net", "0.00"),
        ("baskets", "gross", "0.00"),
        ("brokers", "net", "0.01"),
        ("orders", "charges", "0.01"),
        ("settlements", "price", "7.00"),
        ("positions", "mark", "1.00"),
        ("executions", "lots", 9),
    ],
)
def test_the_script_finds_one_changed_value(report, part, column, value):
    changed = json.loads(json.dumps(report))
    changed[part][0][column] = value

    checked = recompute(json.dumps(changed))

    assert checked.returncode == 1
    assert checked.stdout.endswith("differences\n")


def test_the_script_finds_a_shortfall_that_nothing_explains(report):
    changed = json.loads(json.dumps(report))
    gone = changed["fills"].pop(0)

    assert "0 filled, and no reason is recorded" in recompute(json.dumps(changed)).stdout
    assert gone["order"] in recompute(json.dumps(changed)).stdout


def test_rows_that_are_not_usable_are_counted_and_named(report, recording):
    (data,) = report["data"]
    usable = sum(1 for _ in rows())
    last = usable + 5  # after the header, the repeated row and the stale one

    assert (data["rows"], data["kept"]) == (usable + 4, usable)
    assert (data["stale_skipped"], data["flagged"]) == (1, {"PREOPEN_STALE": 1})
    assert data["duplicates"] == 1
    assert data["broken"] == [
        {"file": recording.name, "line": last - 1, "reason": "ltp 'none' is not a number"},
        {"file": recording.name, "line": last, "reason": "4 columns instead of 7"},
    ]
    assert data["gaps"] == [
        [ist("09:24"), ist("14:55")], [ist("15:08"), ist("15:13")], [ist("15:15"), ist("15:38")]
    ]  # fmt: skip


def test_an_exit_due_in_a_gap_goes_at_the_next_frame_and_says_how_late(report):
    for row in by_pair(report, "exit").values():
        assert (row["due"], row["started"], row["status"]) == (ist("15:10"), ist("15:13"), "done")
        assert "180 s" in row["detail"]


def test_an_entry_due_in_a_gap_is_missed(trade_day, recording):
    report = json.loads(trade_day(recording, "--json", "--entry", "10:00"))

    entries = by_pair(report, "entry")
    assert sorted(entries) == sorted(ALL_PAIRS)
    assert {(row["status"], row["code"]) for row in entries.values()} == {("missed", "TOO_LATE")}
    assert {row["due"] for row in entries.values()} == {ist("10:00")}
    assert report["fills"] == []
    assert {(row["net"], row["orders"]) for row in report["pairs"]} == {("0.00", 0)}
    assert len(report["pairs"]) == len(ALL_PAIRS)
    assert recompute(json.dumps(report)).returncode == 0


def test_entry_and_exit_times_can_be_given(told):
    _, report = told

    assert {row["started"] for row in by_pair(report, "entry").values()} == {ist("09:22")}
    assert {row["started"] for row in by_pair(report, "exit").values()} == {ist("14:57")}
    assert report["inputs"]["entry"] == "09:22:00"
    assert report["inputs"]["exit"] == "14:57:00"


def test_without_an_official_value_the_settlement_is_provisional(report):
    assert report["provisional"] is True
    assert set(ALL_PAIRS[3:]) <= {row["pair"] for row in report["settlements"] if row["provisional"]}
    assert {row["provisional"] for row in report["settlements"]} == {True}
    assert all(row["provisional"] for row in report["pairs"] if row["pair"] in ALL_PAIRS[3:])


def test_the_official_value_makes_the_settlement_final(report, final):
    settled = json.loads(final)

    assert settled["provisional"] is False
    assert {row["underlying_price"] for row in settled["settlements"]} == {"24300.50"}
    assert {row["pair"]: row["price"] for row in settled["settlements"] if row["quantity"] < 0} == {
        "Cash Secured Put on Finvasia": "99.50", "Cash Secured Put on Angel One": "99.50"
    }  # fmt: skip
    before = {row["pair"]: Decimal(row["gross"]) for row in report["pairs"]}
    after = {row["pair"]: Decimal(row["gross"]) for row in settled["pairs"]}
    assert after["Cash Secured Put on Finvasia"] - before["Cash Secured Put on Finvasia"] == Decimal("-99.5") * 195
    assert after["Iron Condor on Zerodha"] == before["Iron Condor on Zerodha"]


def test_what_is_wrong_is_one_line_and_exit_code_1(tmp_path):
    wrong = tmp_path / "notes.csv"
    wrong.write_text("time,price\n")

    done = by_itself(wrong)

    assert (done.returncode, done.stdout) == (1, b"")
    (line,) = done.stderr.decode().strip().splitlines()
    assert line.startswith("CommandError: notes.csv: the first line is 'time,price'. Known: last prices")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give recorded FILEs, or --simulate DAYS: one of the two."),
        (["a.csv", "--simulate", "2"], "Give recorded FILEs, or --simulate DAYS: one of the two."),
        (["--simulate", "0"], "--simulate 0: give 1 to 10000."),
        (["--simulate", "1", "--every", "0"], "--every 0: give 1 to 3600."),
        (["--simulate", "1", "--first-day", "Monday"], "--first-day: 'Monday' is not a day"),
        (["--simulate", "1", "--settlement", "NIFTY=1"], "simulated days bring their own"),
        (["--simulate", "3", "--first-day", "2026-12-30"], "2027-01-01 is outside the calendar's coverage"),
    ],
)
def test_what_cannot_be_simulated_is_one_line(arguments, says):
    with pytest.raises(CommandError) as refused:
        call_command("trade_day", *arguments)

    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_simulated_days_trade_settle_at_their_own_value_recompute_and_are_reported(trade_day, tmp_path):
    """Monday 5 January 2026 and the expiry on Tuesday, an hour between frames."""
    folder = tmp_path / "backtest"

    printed = trade_day(
        "--simulate", 2, "--seed", 3, "--first-day", "2026-01-05", "--every", 3600, "--json",
        "--report", folder,
    )  # fmt: skip
    report = json.loads(printed)

    assert recompute(printed).returncode == 0, recompute(printed).stdout
    assert report["days"] == ["2026-01-05", "2026-01-06"]
    assert {row["status"] for row in report["executions"]} == {"done"}
    assert report["settlements"]
    assert {row["source"] for row in report["settlements"]} == {"the simulated index at its settlement time"}
    assert report["provisional"] is False
    written = json.loads((folder / "report.json").read_text())
    assert written["backtest"]["total"]["net"] == report["baskets"][0]["net"]
    assert {key: written[key] for key in report} == report
    assert "simulated market, seed 3" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent.csv"], "absent.csv"),
        (["--settlement", "NIFTY=high"], "--settlement 'NIFTY=high': write UNDERLYING=VALUE"),
        (["--settlement", "NIFTY=NaN"], "--settlement 'NIFTY=NaN': use a known underlying"),
        (["--settlement", "NIFTY=Infinity"], "--settlement 'NIFTY=Infinity': use a known underlying"),
        (["--settlement", "NIFTY@4 August=1"], "'4 August' is not a day; write YYYY-MM-DD"),
        (["--settlement", "GOLD=1"], "--settlement 'GOLD=1': use a known underlying"),
        (["--basket", "absent.json"], "absent.json cannot be read"),
        (["--entry", "25:00"], "--entry '25:00': write HH:MM"),
        (["--exit", "soon"], "--exit 'soon': write HH:MM"),
    ],
)
def test_the_line_names_what_is_wrong(recording, arguments, says):
    with pytest.raises(CommandError) as refused:
        call_command("trade_day", str(recording), *arguments)

    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.fixture(scope="module")
def real():
    if not DATA:
        pytest.skip("MARKET_DATA_DIR is not set")
    folder = Path(DATA)

    def files(*days):
        last_prices = [folder / f"intraday_ltp_1min/nifty_ltp_{day}.csv.gz" for day in days]
        return [*last_prices, folder / "index_3min/NIFTY_20260727_20260804.csv"]

    return files


@pytest.mark.real_data
def test_the_real_expiry_day_trades_and_recomputes(trade_day, real):
    printed = trade_day(*real("2026-08-04"), "--json")
    report = json.loads(printed)

    assert recompute(printed).returncode == 0, recompute(printed).stdout
    assert {row["status"] for row in report["executions"]} == {"done"}
    assert (len(report["orders"]), len(report["fills"])) == (22, 22)
    assert report["data"][0]["stale_skipped"] == 7062
    assert report["data"][0]["gaps"] == [[ist("12:15"), ist("12:32")]]
    assert {row["underlying_price"] for row in report["settlements"]} == {"24612.15"}
    assert report["provisional"] is True
    assert report["baskets"][0]["net"] == "-32569.65"


@pytest.mark.real_data
def test_two_real_days_carry_positions_and_recompute(trade_day, real):
    printed = trade_day(*real("2026-08-03", "2026-08-04"), "--json")
    report = json.loads(printed)

    assert recompute(printed).returncode == 0, recompute(printed).stdout
    assert report["days"] == ["2026-08-03", "2026-08-04"]
    entries = [row for row in report["executions"] if row["phase"] == "entry"]
    monday = {row["pair"]: (row["status"], row["code"]) for row in entries if row["day"] == "2026-08-03"}
    late = {"Covered Call on Zerodha": ("missed", "TOO_LATE")}  # the far month has no quote at 09:20
    assert monday == dict.fromkeys(ALL_PAIRS, ("done", "")) | late
    assert [row["pair"] for row in entries if row["day"] == "2026-08-04"] == ALL_PAIRS[:3]
    assert report["ledger"]["unexplained"] == 0
