// Rupees as India reads them: 12,34,567.50. The same table tests this file and users/templatetags/money.py.

const MINUS = "\u2212";

/** Digits in lakh/crore groups: "1234567" -> "12,34,567". */
function grouped(digits) {
  const last = digits.slice(-3);
  const rest = digits.slice(0, -3).replace(/\B(?=(\d{2})+(?!\d))/g, ",");
  return rest ? `${rest},${last}` : last;
}

/** Decimal text rounded half away from zero; no float touches the amount. */
function rounded(text, places) {
  const [whole, fraction = ""] = text.split(".");
  const kept = (whole + fraction.slice(0, places).padEnd(places, "0")).replace(/^0+(?=\d)/, "");
  const up = Number(fraction[places] ?? "0") >= 5;
  const units = (BigInt(kept || "0") + (up ? 1n : 0n)).toString().padStart(places + 1, "0");
  return places ? [units.slice(0, -places), units.slice(-places)] : [units, ""];
}

/** The amount to `places` decimals; `sign` also writes + before a profit. */
export function rupees(value, { places = 2, sign = false } = {}) {
  const text = String(value).trim();
  if (!/^[-+]?\d+(\.\d+)?$/.test(text)) return "\u2013";
  const [whole, fraction] = rounded(text.replace(/^[-+]/, ""), places);
  const nothing = /^0*$/.test(whole + fraction);
  const before = nothing ? "" : text.startsWith("-") ? MINUS : sign ? "+" : "";
  return before + grouped(whole) + (fraction ? `.${fraction}` : "");
}

/** "up", "down" or "flat": the class that colours an amount. */
export function direction(value) {
  const text = String(value).trim();
  if (!/[1-9]/.test(text)) return "flat";
  return text.startsWith("-") ? "down" : "up";
}

/** A Greek or other float, in groups and with a true minus sign. */
export function figure(value, places = 2) {
  const number = Number(value);
  if (value === null || value === "" || !Number.isFinite(number)) return "\u2013";
  return rupees(number.toFixed(places), { places });
}

/** What a live cell shows for a value, by its data-format: pnl, rupees, rupees0, quantity, greek, gamma. */
export function shown(value, format) {
  if (value === null || value === undefined) return "\u2013";
  if (format === "pnl") return rupees(value, { sign: true });
  if (format === "rupees") return rupees(value);
  if (format === "rupees0") return rupees(value, { places: 0 });
  if (format === "quantity") return rupees(value, { places: 0, sign: true });
  if (format === "greek") return figure(value, 2);
  if (format === "gamma") return figure(value, 4);
  return String(value);
}
