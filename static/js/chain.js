// The option chain: brings the money into view, and asks the server for the table again when the money
// has moved to another strike or the live feed is away. The figures themselves are patched by live.js.

const PICTURES = 10_000;
const WITHOUT_FEED = 3_000;

/** Where a scroller must stand so that the row is in its middle; never below 0. */
export function middle(row, scroller, header) {
  return Math.max(0, row.top - header - (scroller.height - header - row.height) / 2);
}

function section() {
  return document.querySelector("[data-chain]");
}

function toTheMoney() {
  const scroller = document.getElementById("chain-scroll");
  const row = document.getElementById("at-the-money");
  if (!scroller || !row) return;
  const header = scroller.querySelector("thead").offsetHeight;
  scroller.scrollTop = middle(
    { top: row.offsetTop, height: row.offsetHeight },
    { height: scroller.clientHeight },
    header,
  );
  scroller.scrollLeft = (scroller.scrollWidth - scroller.clientWidth) / 2;
}

function ask(target, name) {
  target?.dispatchEvent(new CustomEvent(name));
}

/** The strike at the money that the table shows, and whether another one is it now. */
function moved(strike) {
  const shown = document.querySelector("#at-the-money th.strike");
  return strike && shown && shown.dataset.strike !== strike;
}

if (typeof document !== "undefined") {
  let place = null;
  document.addEventListener("live:chain", ({ detail }) => {
    if (detail.channel !== section()?.dataset.chain) return;
    if (moved(detail.rows.head?.at_the_money)) ask(section(), "chain:refresh");
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const scroller = document.getElementById("chain-scroll");
    place = event.target === section() && scroller ? [scroller.scrollLeft, scroller.scrollTop] : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    const scroller = document.getElementById("chain-scroll");
    if (place && scroller) [scroller.scrollLeft, scroller.scrollTop] = place;
    place = null;
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.('a[href="#at-the-money"]')) return;
    event.preventDefault();
    toTheMoney();
    document.getElementById("chain-scroll")?.focus();
  });
  setInterval(() => {
    if (!document.hidden) ask(document.querySelector("[data-chain-pictures]"), "chain:pictures");
  }, PICTURES);
  setInterval(() => {
    const away = document.documentElement.dataset.feed !== "open";
    if (away && !document.hidden) ask(section(), "chain:refresh");
  }, WITHOUT_FEED);
  toTheMoney();
}
