// Runs before the first paint: the reader's chosen theme and profit/loss colours, if any.
(() => {
  const root = document.documentElement;
  for (const name of ["theme", "pnl"]) {
    let value = null;
    try {
      value = localStorage.getItem(`desk.${name}`);
    } catch {
      return; // storage is switched off: the system's theme stands
    }
    if (value) root.dataset[name] = value;
  }
})();
