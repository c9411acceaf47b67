
"use strict";
const byId = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en-GB");

// Moments in the reader's own time zone; without this script they stay in UTC.
const local = (moment) =>
  new Intl.DateTimeFormat("en-GB", {
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  }).format(moment);
for (const time of document.querySelectorAll("time")) {
  time.title = time.textContent;
  time.textContent = local(new Date(time.dateTime));
}

const expiry = byId("expires");
const expires = expiry ? Date.parse(expiry.dateTime) : Infinity;
if (byId("late")) byId("late").hidden = Date.now() <= expires;
const open = byId("open-until");
if (open && Date.now() <= expires) {
  const until = Math.min(Date.now() + Number(open.dataset.hours) * 3600e3, expires);
  open.textContent = ` Given now, it is open until ${local(new Date(until))}.`;
}

// "(9,800 -> 10,177)" stays on one line.
for (const says of document.querySelectorAll(".says")) {
  const text = says.firstChild;
  const found = [...text.data.matchAll(/\([\d,]+ -> [\d,]+\)/g)].at(-1);
  if (!found) continue;
  const numbers = text.splitText(found.index);
  numbers.splitText(found[0].length);
  const together = document.createElement("span");
  together.className = "together";
  numbers.replaceWith(together);
  together.append(numbers);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  const told = button.nextElementSibling;
  button.addEventListener("click", async () => {
    let done = false;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      done = true;
    } catch {
      // Pages from a file may not use the clipboard API everywhere; the old way still works there.
      const field = document.createElement("textarea");
      field.value = button.dataset.copy;
      field.readOnly = true;
      button.after(field);
      field.select();
      try { done = document.execCommand("copy"); } catch { done = false; }
      field.remove();
      button.focus();
    }
    told.textContent = done ? "Copied." : "Not copied: select the text and copy it.";
  });
}

// Same as visible() in facts.py: what hides or reverses other characters is written out.
const visible = (text) =>
  text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => "\\u" + one.codePointAt(0).toString(16).padStart(4, "0"));

const island = byId("operations-data");
if (island) {
  const { columns, plain, words, rows } = JSON.parse(island.textContent);
  const PAGE = matchMedia("(max-width: 40rem)").matches ? 25 : 100;
  const PRINTED = 1000;
  const body = byId("operations-body");
  const told = byId("operations-told");
  const search = byId("search");
  const show = byId("show");
  const headers = [...byId("operations-table").querySelectorAll("thead th")];
  const change = columns.indexOf("change");
  const finding = columns.indexOf("finding");
  const value = (row, column) => (plain[column] ? row[column] : words[row[column]]);
  const CHANGES = { add: "joins", remove: "leaves" };
  const text = (row, column) => (column === change ? CHANGES[value(row, column)] : value(row, column));
  const all = rows.map((_, index) => index);
  let shown = all;
  let order = null;
  let page = 0;
  let folded = null;

  const foldedRow = (index) => {
    folded ??= new Array(rows.length);
    return (folded[index] ??= columns.map((_, column) => text(rows[index], column)).join("\n").toLowerCase());
  };

  const tableRow = (index) => {
    const tr = document.createElement("tr");
    columns.forEach((name, column) => {
      const td = document.createElement("td");
      td.textContent = visible(text(rows[index], column));
      td.dataset.label = headers[column].dataset.label;
      if (name.endsWith("_uid") || name === "external_id") td.className = "uid";
      if (column === change) td.className = value(rows[index], column) === "remove" ? "leave" : "join";
      tr.append(td);
    });
    return tr;
  };

  const render = (from, n, printing = false) => {
    body.replaceChildren(...shown.slice(from, from + n).map(tableRow));
    const to = Math.min(from + n, shown.length);
    const of = shown.length === rows.length ? number(rows.length) : `${number(shown.length)} found among ${number(rows.length)}`;
    told.textContent = shown.length
      ? `${printing ? "Printed: rows" : "Rows"} ${number(from + 1)} to ${number(to)} of ${of}.`
      : `No row of ${number(rows.length)} fits.`;
    byId("earlier").disabled = from === 0;
    byId("later").disabled = to >= shown.length;
  };
  const turn = (to) => { page = to; render(page * PAGE, PAGE); };

  const choose = () => {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const kind = show.value;
    const kept = (index) => {
      const row = rows[index];
      if (kind === "finding" && !value(row, finding)) return false;
      if ((kind === "add" || kind === "remove") && value(row, change) !== kind) return false;
      return wanted.every((word) => foldedRow(index).includes(word));
    };
    shown = wanted.length || kind !== "all" ? all.filter(kept) : all;
    if (order) {
      const { column, down } = order;
      const collator = new Intl.Collator("nb", { numeric: true });
      // Words are put in order once, not compared for every pair of rows.
      const rank = new Map(
        [...words.keys()].sort((a, b) => collator.compare(words[a], words[b])).map((word, at) => [word, at]));
      const compare = plain[column]
        ? (a, b) => collator.compare(rows[a][column], rows[b][column])
        : (a, b) => rank.get(rows[a][column]) - rank.get(rows[b][column]);
      const filled = shown.filter((index) => value(rows[index], column) !== "");
      const empty = shown.filter((index) => value(rows[index], column) === "");
      filled.sort((a, b) => (down ? compare(b, a) : compare(a, b)) || a - b);
      shown = [...filled, ...empty];
    }
    headers.forEach((th, column) =>
      th.setAttribute("aria-sort", order?.column === column ? (order.down ? "descending" : "ascending") : "none"));
    byId("as-planned").disabled = !order;
    turn(0);
  };

  headers.forEach((th, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = th.textContent;
    button.addEventListener("click", () => {
      order = { column, down: order?.column === column ? !order.down : false };
      choose();
    });
    th.dataset.label = th.textContent;
    th.replaceChildren(button);
  });
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(choose, 150); });
  show.addEventListener("change", choose);
  byId("as-planned").addEventListener("click", () => { order = null; choose(); });
  byId("earlier").addEventListener("click", () => turn(page - 1));
  byId("later").addEventListener("click", () => turn(page + 1));
  addEventListener("beforeprint", () => render(0, PRINTED, true));
  addEventListener("afterprint", () => turn(page));
  byId("operations-tools").hidden = byId("operations-pages").hidden = false;
  choose();
}
