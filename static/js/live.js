// The live feed: patches the text of [data-live="<channel>:<row>:<field>"] cells, tells the page of events.
//
//   data-live="positions:p31:pnl"  "positions:12:p31:ltp"  "summary:basket:12:day_pnl"  "market:NIFTY:spot"
//   "chain:NIFTY:2026-08-11:24600CE:ltp"
//   data-format="pnl | rupees | rupees0 | quantity | greek | percent | clock" says how the value is shown.
// Events arrive as `live:orders`, `live:executions`, `live:risk` on document (for hx-trigger="... from:document"),
// with detail.gap when some were missed and the page should reload what it shows. What changed of a chain is
// told as `live:chain` with detail.channel and detail.rows.

import { direction, shown } from "./money.js";

const EVENTS = ["orders", "executions", "risk"];
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;
const SILENCE = 12000; // the server says something at least every 5 s
const AGING = 5; // seconds
const FINAL = [4401, 4403]; // signed out, or not allowed: trying again cannot help

const places = new Map(); // channel -> {epoch, seq}
const rows = new Map(); // channel -> Map(row -> fields)
let socket = null;
let wait = FIRST_WAIT;
let alarm = 0;
let retry = 0;

/** The channel, row and field that a cell names; null when it is none. */
export function address(text) {
  const parts = text.split(":");
  const field = parts.pop();
  let channel = parts.shift();
  if (channel === "positions" && parts.length === 2) channel += `:${parts.shift()}`;
  if (channel === "chain" && parts.length === 3) channel += `:${parts.shift()}:${parts.shift()}`;
  if (!parts.length || !field) return null;
  let row = parts.join(":");
  if (channel.startsWith("positions") && /^\d+$/.test(row)) row = `p${row}`;
  return { channel, row, field };
}

/** The rows after a delta: changed fields over the old ones, null removes. */
export function merged(known, changes) {
  for (const [key, row] of Object.entries(changes)) {
    if (row === null) known.delete(key);
    else known.set(key, { ...known.get(key), ...row });
  }
  return known;
}

/** How long to wait before the n-th try: doubled each time, with jitter so that tabs do not return as one. */
export function backOff(previous, random = Math.random) {
  const next = Math.min(previous * 2, LONGEST_WAIT);
  return { delay: previous * (0.5 + random() / 2), next };
}

function text(value, format) {
  if (value === null || value === undefined) return shown(null, format);
  if (format === "clock") return String(value).slice(11, 19);
  if (format === "percent") return `${(Number(value) * 100).toFixed(1)}%`;
  return shown(value, format);
}

function show(cell, value, row) {
  const now = text(value, cell.dataset.format);
  if (cell.textContent !== now) cell.textContent = now;
  if (cell.dataset.format === "pnl") {
    const way = direction(value ?? "0");
    if (!cell.classList.contains(way)) {
      cell.classList.remove("up", "down", "flat");
      cell.classList.add(way);
    }
  }
  if (cell.dateTime !== undefined && value) cell.dateTime = value;
  if (row.stale !== undefined) cell.toggleAttribute("data-stale", row.stale);
}

function paint(channel, only = null) {
  const known = rows.get(channel);
  if (!known) return;
  for (const cell of document.querySelectorAll(`[data-live^="${channel}:"]`)) {
    const at = address(cell.dataset.live);
    if (at?.channel !== channel || (only && !(at.row in only))) continue;
    const row = known.get(at.row);
    cell.toggleAttribute("data-gone", !row);
    if (row && at.field in row) show(cell, row[at.field], row);
  }
}

function paintAge(state, age) {
  const [words, name] = ageWords(state, age);
  for (const cell of document.querySelectorAll("[data-feed-age]")) {
    if (cell.textContent !== words) cell.textContent = words;
    cell.className = `age ${name}`;
  }
}

/** The words and class of the feed's age, as the server writes them into the page. */
export function ageWords(state, age) {
  if (state === "silent") return ["Feed stopped", "stale"];
  if (state !== "fresh") return ["Feed lost, reconnecting", "stale"];
  return [age >= 1 ? `Feed ${age} s ago` : "Feed live", age >= AGING ? "aging" : "fresh"];
}

function announce(name, detail) {
  document.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));
}

function wanted() {
  const channels = new Set(["system", ...EVENTS]);
  for (const cell of document.querySelectorAll("[data-live]")) {
    const at = address(cell.dataset.live);
    if (at) channels.add(at.channel);
  }
  return [...channels];
}

function subscribe(channels) {
  if (socket?.readyState !== WebSocket.OPEN || !channels.length) return;
  const ch = channels.map((n) => (EVENTS.includes(n) ? { n, ...places.get(n) } : { n }));
  socket.send(JSON.stringify({ id: 1, op: "sub", ch }));
}

function resync(channel) {
  const place = EVENTS.includes(channel) ? places.get(channel) : {};
  socket.send(JSON.stringify({ op: "resync", ch: channel, ...place }));
}

function follows(message) {
  const place = places.get(message.ch);
  if (place && place.seq === message.prev) {
    place.seq = message.seq;
    return true;
  }
  if (!place || message.seq > place.seq) resync(message.ch);
  return false;
}

const heard = {
  snap(message) {
    const before = places.get(message.ch);
    places.set(message.ch, { epoch: message.epoch, seq: message.seq });
    wait = FIRST_WAIT;
    if (EVENTS.includes(message.ch)) return before && announce(message.ch, { gap: true });
    rows.set(message.ch, merged(new Map(), message.d));
    if (message.ch.startsWith("chain:") && !rows.get(message.ch).size) return; // not valued yet
    paint(message.ch);
    tellChain(message);
  },
  delta(message) {
    if (!follows(message)) return;
    merged(rows.get(message.ch), message.d);
    paint(message.ch, message.d);
    if (message.ch === "system") showFeed();
    tellChain(message);
  },
  ev(message) {
    if (!follows(message)) return;
    announce(message.ch, message.d);
  },
  gap(message) {
    places.set(message.ch, { epoch: message.epoch, seq: message.seq });
    announce(message.ch, { gap: true, rest: message.rest });
  },
  hb(message) {
    for (const [channel, seq] of Object.entries(message.seqs)) {
      if (places.get(channel)?.seq !== seq) resync(channel);
    }
    if (message.live === "down") paintAge("lost");
  },
  error(message) {
    console.warn("live feed:", message.code, message.detail);
  },
};

function tellChain(message) {
  if (message.ch.startsWith("chain:")) announce("chain", { channel: message.ch, rows: message.d });
}

function showFeed() {
  const feed = rows.get("system")?.get("feed");
  if (feed) paintAge(feed.state, feed.age);
}

function stayAwake() {
  clearTimeout(alarm);
  alarm = setTimeout(() => socket?.close(), SILENCE);
}

function state(name) {
  document.documentElement.dataset.feed = name;
}

function connect() {
  clearTimeout(retry);
  state("connecting");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(`${scheme}//${location.host}/ws/live`);
  socket = mine;
  mine.onopen = () => {
    state("open");
    stayAwake();
    subscribe(wanted());
  };
  mine.onmessage = (event) => {
    stayAwake();
    const message = JSON.parse(event.data);
    heard[message.t]?.(message);
  };
  mine.onclose = (event) => {
    clearTimeout(alarm);
    if (mine !== socket) return;
    paintAge("lost");
    if (FINAL.includes(event.code)) return state(event.code === 4401 ? "signed-out" : "forbidden");
    state("closed");
    const { delay, next } = backOff(event.code === 4400 ? LONGEST_WAIT : wait);
    wait = next;
    retry = setTimeout(connect, delay);
  };
}

function rescan() {
  const missing = wanted().filter((channel) => !places.has(channel));
  subscribe(missing);
  for (const channel of rows.keys()) paint(channel);
}

if (typeof document !== "undefined") {
  document.addEventListener("htmx:afterSettle", rescan);
  window.addEventListener("online", () => socket?.readyState === WebSocket.CLOSED && connect());
  window.addEventListener("pagehide", () => {
    const leaving = socket;
    socket = null;
    leaving?.close();
  });
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  connect();
}
