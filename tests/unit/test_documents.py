"""What the documents say, held against the code: links, names, and the worked tables to the paisa."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from execution.engine import marks
from execution.engine.settle import settlement_price
from execution.models import Position
from execution.positions import Holding, Trade, after, settled
from market.facts import tables
from market.kernel import charges, margin
from market.kernel.clock import at
from market.kernel.contracts import parse
from market.kernel.frame import Frame, Quote
from market.kernel.money import rupees
from market.models import Contract
from market.sources.spread import SpreadModel
from marketplace.fees import performance_fee
from optionsplatform import environments, processes
from strategies.presets import PRESETS
from strategies.rules import LegRule, exits
from strategies.rules.stops import Bounds, Watch, has_fired, observed

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
AUGUST_4 = date(2026, 8, 4)
AUGUST_4_NOON = at(AUGUST_4, time(12, 0))
EXTENSIONS = ("py", "md", "csv", "json", "yml", "png", "txt", "ini", "html", "toml")
MADE_AT_RUN_TIME = (".data/", ".venv/", "static/vendor/")
MACHINE_PATH = re.compile(r"(?<![\w.)])/(?:work|tmp|root|home|Users|mnt|opt|srv)/")

Row = dict[str, str]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def table(name: str, first_column: str, *, under: str = "") -> list[Row]:
    """The rows of the table of a document that begins with this column, below that heading."""
    text = read(name).partition(under)[2] if under else read(name)
    lines = iter(text.splitlines())
    header = next(line for line in lines if line.startswith(f"| {first_column} |"))
    names = _cells(header)
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def money(value: Decimal) -> str:
    return str(rupees(value))


# Links, paths, names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_path_of_a_document_leads_somewhere(document):
    text = document.read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [
        link
        for link in links
        if link and "://" not in link and not (document.parent / link).exists()
    ]
    named = re.findall(rf"`([\w.\-]+/[\w./\-]*?(?:\.(?:{'|'.join(EXTENSIONS)})|/))`", text)
    missing += [
        path
        for path in named
        if not path.startswith(MADE_AT_RUN_TIME) and not _exists(path, document)
    ]

    assert missing == []


def _exists(path: str, document: Path) -> bool:
    """From the root, beside the document, or inside the one app that the text is about."""
    places = [ROOT / path, document.parent / path, *(ROOT / app / path for app in APPS)]
    return any(place.exists() for place in places)


APPS = (
    "users", "market", "brokers", "baskets", "strategies", "allocations", "execution", "marketplace",
)  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_names_a_folder_of_somebodys_machine(document):
    assert MACHINE_PATH.findall(document.read_text()) == []


def test_readme_begins_with_the_two_commands():
    assert read("README.md").splitlines()[2:6] == ["```", "bin/start", "bin/test", "```"]


def test_readme_names_every_key_of_an_environment():
    assert [row["key"] for row in table("README.md", "key")] == list(environments.TYPES)


def test_readme_names_every_environment_variable_that_is_read():
    source = read("optionsplatform/settings.py") + read("optionsplatform/supervisor.py")
    source += read("brokers/simulator/asgi.py") + read("optionsplatform/logs.py")
    wanted = set(re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", source))
    wanted |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", source))
    said = {name for row in table("README.md", "variable") for name in row["variable"].split(", ")}

    assert wanted - said == set()


def test_readme_names_every_process_and_preset():
    table_of = processes.table(web_port=0, simulator_port=0)

    assert [row["process"] for row in table("README.md", "process")] == [p.name for p in table_of]
    presets = re.search(r"\*\*(\d+) presets\*\*: (.*)\.", read("README.md"))
    assert presets is not None
    assert int(presets[1]) == len(PRESETS)
    assert presets[2].split(", ") == [preset.name for preset in PRESETS.values()]


def test_architecture_names_every_dependency_once():
    lines = [line for line in read("requirements.in").splitlines() if line and line[0] != "#"]
    wanted = [re.split(r"[\[~=<>]", line)[0] for line in lines]

    assert [row["package"] for row in table("ARCHITECTURE.md", "package")] == wanted


def test_architecture_draws_the_chain_of_apps_that_is_checked():
    drawn = read("ARCHITECTURE.md").partition("## The chain of apps")[2].partition("## ")[0]
    checked = read(".importlinter").partition("[importlinter:contract:apps]")[2].partition("\n\n")[0]

    assert re.findall(r"^(\w+) {2,}", drawn, re.MULTILINE) == re.findall(r"^    (\w+)$", checked, re.MULTILINE)


# Worked tables


@pytest.mark.parametrize("row", table("docs/algorithms/charges.md", "broker"), ids=str)
def test_the_worked_orders_cost_what_the_document_says(row):
    found = charges.for_order(
        row["broker"], parse(row["contract"]), row["side"], int(row["quantity"]),
        Decimal(row["price"]), AUGUST_4,
    )  # fmt: skip

    for name in ("brokerage", "stt", "exchange", "sebi", "stamp", "gst", "total"):
        assert str(getattr(found, name)) == row[name], name


RATES = {
    "STT, option sold, on premium": [("stt", "NSE", "OPT", "SELL")],
    "STT, future sold": [("stt", "NSE", "FUT", "SELL")],
    "STT, option settled in the money, on intrinsic value": [("exercise_stt", "NSE", "OPT", "SELL")],
    "NSE options, transaction + IPFT": [("transaction", "NSE", "OPT", "BUY"), ("ipft", "NSE", "OPT", "BUY")],
    "NSE futures, transaction + IPFT": [("transaction", "NSE", "FUT", "BUY"), ("ipft", "NSE", "FUT", "BUY")],
    "BSE options (SENSEX, BANKEX)": [("transaction", "BSE", "OPT", "BUY")],
}  # fmt: skip


def test_the_rates_in_force_are_those_of_the_dated_facts():
    said = {row["rate"]: row["from"] for row in table("docs/algorithms/charges.md", "rate")}

    for name, parts in RATES.items():
        percents = [Decimal(number) for number in re.findall(r"([\d.]+)%", said[name])]
        assert percents == [_rate(*part) * 100 for part in parts], name


def _rate(component: str, *kind: str) -> Decimal:
    rows = [row for row in tables.charge_rates() if row.component == component]
    return next(row.rate for row in rows if row.applies(*kind, AUGUST_4))


@pytest.mark.parametrize("row", table("docs/algorithms/margin.md", "position"), ids=str)
def test_exposure_and_expiry_day_margin_are_those_of_the_document(row):
    position, when = row["position"].split(", ")
    units, symbol = position.split(" ")
    day = date(2026, 8, 3) if when == "the day before" else AUGUST_4
    leg = margin.MarginLeg(parse(symbol), int(units), 100.0, 0.12, 24500.0)

    found = margin.requirement([leg], float(row["spot"]), at(day, time(11, 0)))

    assert (str(found.exposure), str(found.expiry_day)) == (row["exposure"], row["expiry_day"])


def test_the_trades_of_the_pnl_document_give_its_figures():
    holding = Holding()
    for row in table("docs/algorithms/pnl.md", "side"):
        holding = after(holding, Trade(row["side"], int(row["quantity"]), Decimal(row["price"])))

        found = {
            "held": str(holding.quantity),
            "cost": money(holding.cost),
            "average": money(holding.average_price),
            "realised": money(holding.realised),
            "gross": money(holding.gross(Decimal(row["mark"]))),
        }
        assert found == {name: row[name] for name in found}


def test_the_days_of_the_pnl_document_give_its_figures_and_add_up():
    rows = table("docs/algorithms/pnl.md", "moment")
    for row in rows:
        frame, position = _moment(row)
        assert money(marks.gross_pnl([position], frame)) == row["gross"], row["moment"]
        assert money(marks.day_pnl([position], frame)) == row["day P&L"], row["moment"]

    monday, _, tuesday = rows
    whole = Decimal(tuesday["gross"]) - Decimal(tuesday["charges so far"])
    assert Decimal(monday["day P&L"]) + Decimal(tuesday["day P&L"]) == whole


def _moment(row: Row) -> tuple[Frame, Position]:
    symbol, now = "NIFTY-20260811-24500-CE", datetime(2026, 8, 4, 5, 0, tzinfo=UTC)
    mark = Decimal(row["mark"])
    quote = Quote(bid=mark - 1, ask=mark, ltp=mark, bid_quantity=65, ask_quantity=65, at=now)
    frame = Frame(
        timeline="t", n=1, now=now, cadence=1.0, quotes={symbol: quote}, spots={}, forwards={}
    )
    position = Position(
        contract=Contract(symbol=symbol),
        quantity=int(row["held"]),
        cost=Decimal(row["cost"]),
        realised=Decimal(row["realised"]),
        charges=Decimal(row["charges so far"]),
        day_opening_pnl=Decimal(row["opening P&L"]),
        day_charges_before=Decimal(row["charges before"]),
    )
    return frame, position


@pytest.mark.parametrize("row", table("docs/algorithms/expiry.md", "contract"), ids=str)
def test_the_settlements_of_the_expiry_document_give_its_figures(row):
    heading = re.search(r"### Worked example: S = ([\d.]+)", read("docs/algorithms/expiry.md"))
    assert heading is not None
    value, contract = Decimal(heading[1]), parse(row["contract"])
    held = Holding(int(row["held"]), Decimal(row["cost"]))

    worth = settlement_price(contract, value)

    stt = charges.for_settlement(contract, held.quantity, value, contract.expiry).total
    found = (money(worth), money(settled(held, worth).realised), money(stt))
    assert found == (row["worth"], row["amount"], row["STT"])


def test_the_fees_of_the_document_follow_from_its_marks():
    mark = Decimal("0.00")
    for row in table("docs/concepts/fees.md", "cumulative net"):
        assert money(mark) == row["mark before"]
        fee, mark = performance_fee(Decimal(row["cumulative net"]), mark, Decimal("0.15"))
        assert (money(fee), money(mark)) == (row["fee"], row["mark after"])


def test_the_spread_model_is_the_one_that_the_sources_document_states():
    said = next(
        row["what is done, and said"]
        for row in table("docs/algorithms/market_sources.md", "what the files lack")
        if row["what the files lack"] == "bid and ask"
    )
    model = SpreadModel()

    assert f"{model.option_fraction * 100:f}".rstrip("0") + "% of the last price for options" in said
    assert f"{model.future_fraction * 100:f}".rstrip("0") + "% for futures" in said
    assert f"{model.displayed_lots} lots displayed" in said


@pytest.mark.parametrize(
    ("column", "bounds"),
    [
        ("in steps", Bounds(stop=Decimal(30), trail="stepped", trail_every=Decimal(10), trail_by=Decimal(5))),
        ("continuous", Bounds(stop=Decimal(30), trail="continuous")),
    ],
)
def test_the_trails_of_the_stops_document_follow_its_prices(column, bounds):
    watch, rule = Watch(), _leg("SELL CE", stop="30 points", target="")
    for row in table("docs/algorithms/stops.md", "frame"):
        at = AUGUST_4_NOON + timedelta(seconds=int(row["frame"]))
        gains = exits.leg_gains(
            rule, entry=Decimal(100), mark=Decimal(row["ask"]), at=at, moved=None
        )
        watch = observed([bounds], watch, gains, frames=2)
        level = exits.level_at(rule, watch.stop, unit="points", entry=Decimal(100), watch=watch)
        assert (row["frame"], money(level)) == (row["frame"], row[column])
        assert has_fired(watch, 2) == (f"{column}: bought back" == row[""])


@pytest.mark.parametrize("row", table("docs/algorithms/stops.md", "leg"), ids=str)
def test_the_levels_of_the_stops_document_are_those_of_their_units(row):
    rule, entry = _leg(row["leg"], stop=row["stop"], target=row["target"]), Decimal(row["entry"])
    bounds, watch = exits.leg_bounds(rule, entry), Watch(reference=Decimal(24500))

    stop = exits.level_at(rule, -bounds.stop, unit=rule.stop_unit, entry=entry, watch=watch)
    target = exits.level_at(rule, bounds.target, unit=rule.target_unit, entry=entry, watch=watch)

    assert (money(stop), money(target)) == (row["stop at"], row["target at"])


def _leg(name: str, *, stop: str, target: str) -> LegRule:
    """SELL CE with distances like "30 points"."""
    side, option_type = name.split(" ")
    levels = {}
    for field, words in (("stop", stop), ("target", target)):
        if words:
            value, unit = words.split(" ")
            levels |= {field: Decimal(value), f"{field}_unit": unit}
    return LegRule(
        number=1, side=side, ratio=1, option_type=option_type, strike_rule="atm",
        strike_value=Decimal(0), expiry_rule="this_week", expiry_date=None, **levels,
    )  # fmt: skip


def test_the_lock_of_the_stops_document_keeps_what_it_says():
    own = exits.StrategyExits(
        lock_at=Decimal(2000), lock_profit=Decimal(800), lock_every=Decimal(500), lock_by=Decimal(300)
    )
    watch = Watch()
    for n, row in enumerate(table("docs/algorithms/stops.md", "profit a lot"), 1):
        at = AUGUST_4_NOON + timedelta(seconds=n)
        gains = exits.strategy_gains(Decimal(row["profit a lot"]), first=at, last=at, moved=None)
        watch = observed([own.bounds(None)], watch, gains, frames=1)
        found = ("none" if watch.locked is None else money(watch.locked), watch.crossed or "no")
        assert found == (row["locked"], row["leaves"])
