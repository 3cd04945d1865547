// Keys, the page finder, the theme switch. Every page works without this file.

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;

function stored(name) {
  try {
    return localStorage.getItem(`desk.${name}`);
  } catch {
    return null;
  }
}

function store(name, value) {
  if (value) root.dataset[name] = value;
  else delete root.dataset[name];
  try {
    if (value) localStorage.setItem(`desk.${name}`, value);
    else localStorage.removeItem(`desk.${name}`);
  } catch {
    // Storage is switched off: the choice lasts for this page.
  }
}

function showTheme() {
  for (const label of document.querySelectorAll("[data-theme-name]")) {
    label.textContent = root.dataset.theme ?? "system";
  }
}

function nextTheme() {
  const now = root.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  store("theme", next === "system" ? null : next);
  showTheme();
}

function open(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  dialog.showModal();
  const query = dialog.querySelector("input");
  if (!query) return;
  query.value = "";
  narrow(dialog, "");
}

function narrow(dialog, words) {
  const wanted = words.trim().toLowerCase();
  for (const item of dialog.querySelectorAll("li")) {
    item.hidden = !item.textContent.toLowerCase().includes(wanted);
  }
}

const GO = { b: "/baskets", p: "/", x: "/executions", r: "/risk", o: "/orders", m: "/marketplace", f: "/performance" };
let going = 0;

function typing(event) {
  return event.target.closest?.("input, select, textarea, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    open("palette");
    return;
  }
  if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") open("keys");
  else if (event.key === "g") going = Date.now();
  else if (Date.now() - going < 1200 && GO[event.key]) location.assign(GO[event.key]);
});

document.addEventListener("input", (event) => {
  if (event.target.id === "palette-query") narrow(event.target.closest("dialog"), event.target.value);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.id !== "palette-query") return;
  event.target.closest("dialog").querySelector("li:not([hidden]) a")?.click();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open]");
  if (opener) open(opener.dataset.open);
  if (event.target.closest?.("[data-theme-toggle]")) nextTheme();
});

document.addEventListener("change", (event) => {
  if (event.target.name === "pnl_colours") store("pnl", event.target.value === "classic" ? "classic" : null);
});

for (const choice of document.querySelectorAll('[name="pnl_colours"]')) {
  choice.checked = choice.value === (stored("pnl") ?? "desk");
}

function ago(moment) {
  const seconds = Math.max(0, Math.floor((Date.now() - moment) / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h ago`;
  if (hours) return `${hours} h ${minutes} min ago`;
  return minutes ? `${minutes} min ago` : `${seconds} s ago`;
}

setInterval(() => {
  for (const age of document.querySelectorAll("[data-ago]")) age.textContent = ago(Date.parse(age.dataset.ago));
}, 1000);
showTheme();
