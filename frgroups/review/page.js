
"use strict";
const byId = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en-GB");

// Show timestamps in the reader's time zone. The HTML contains timestamps in UTC.
const local = (timestamp) =>
  new Intl.DateTimeFormat("en-GB", {
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  }).format(timestamp);
for (const time of document.querySelectorAll("time")) {
  time.title = time.textContent;
  time.textContent = local(new Date(time.dateTime));
}

for (const cell of document.querySelectorAll("[data-times]")) {
  for (const text of [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)) {
    text.data = text.data.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/g, (_, day, time) => local(new Date(`${day}T${time}Z`)));
  }
}

const expiry = byId("expires");
const expires = expiry ? Date.parse(expiry.dateTime) : Infinity;
// An expired plan cannot be approved. The script checks this when the page is opened and when the reviewer acts.
const isExpired = () => {
  const expired = Date.now() > expires;
  if (byId("late")) byId("late").hidden = !expired;
  for (const element of document.querySelectorAll("[data-approval]")) element.hidden = expired;
  return expired;
};
const validUntil = byId("valid-until");
if (!isExpired() && validUntil) {
  const until = Math.min(Date.now() + Number(validUntil.dataset.hours) * 3600e3, expires);
  validUntil.textContent = ` If you approve now, the approval is valid until ${local(new Date(until))}.`;
}

// Prevent line breaks inside sizes such as "(9,800 -> 10,177)".
for (const says of document.querySelectorAll(".says")) {
  const text = says.firstChild;
  const match = [...text.data.matchAll(/\([\d,]+ -> [\d,]+\)/g)].at(-1);
  if (!match) continue;
  const numbers = text.splitText(match.index);
  numbers.splitText(match[0].length);
  const together = document.createElement("span");
  together.className = "together";
  numbers.replaceWith(together);
  together.append(numbers);
}

// Open the table of limits if the reviewer follows a link to it.
for (const link of document.querySelectorAll('a[href="#limits-title"]')) {
  link.addEventListener("click", () => { document.querySelector("details.limits").open = true; });
}
// Open the table of limits before printing, because a closed table would be missing from the printed page.
addEventListener("beforeprint", () => { document.querySelector("details.limits").open = true; });

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  const status = button.nextElementSibling;
  button.addEventListener("click", async () => {
    if (button.closest("[data-approval]") && isExpired()) {
      byId("late").focus();
      return;
    }
    let copied = false;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      copied = true;
    } catch {
      // Some browsers do not allow local files to use the clipboard API. In these browsers, execCommand works.
      const field = document.createElement("textarea");
      field.value = button.dataset.copy;
      field.readOnly = true;
      button.after(field);
      field.select();
      try { copied = document.execCommand("copy"); } catch { copied = false; }
      field.remove();
      button.focus();
    }
    status.textContent = copied ? "Copied." : "The text was not copied. Select the text and copy it.";
  });
}

// Escape invisible characters and characters that change the text direction, like escape_invisible() in Python.
const EMOJI = "\\u2190-\\u2bff\\u{1f000}-\\u{1faff}";
const SCRIPTS = "[\\u0600-\\u109f\\u1780-\\u17ff]";
const JOINER = `(?<=[${EMOJI}\\ufe0f])\\u200d(?=[${EMOJI}])|(?<=${SCRIPTS})[\\u200c\\u200d](?=${SCRIPTS})`;
const INVISIBLE = new RegExp(`(?!${JOINER})[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]`, "gu");
const escaped = (character) => {
  const code = character.codePointAt(0).toString(16);
  return code.length > 4 ? "\\U" + code.padStart(8, "0") : "\\u" + code.padStart(4, "0");
};
const visible = (text) => text.replace(INVISIBLE, escaped);

const island = byId("operations-data");
if (island) {
  const { columns, plain, words, rows } = JSON.parse(island.textContent);
  const PAGE = matchMedia("(max-width: 40rem)").matches ? 25 : 100;
  const PRINTED = 1000;
  const body = byId("operations-body");
  const status = byId("operations-status");
  const search = byId("search");
  const show = byId("show");
  const headers = [...byId("operations-table").querySelectorAll("thead th")];
  const change = columns.indexOf("change");
  const finding = columns.indexOf("finding");
  const result = columns.indexOf("result");
  const value = (row, column) => (plain[column] ? row[column] : words[row[column]]);
  const CHANGES = { add: "joins", remove: "leaves" };
  const text = (row, column) => (column === change ? CHANGES[value(row, column)] : value(row, column));
  const all = rows.map((_, index) => index);
  let visibleRows = all;
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
    body.replaceChildren(...visibleRows.slice(from, from + n).map(tableRow));
    const to = Math.min(from + n, visibleRows.length);
    const total = visibleRows.length === rows.length
      ? number(rows.length)
      : `${number(visibleRows.length)} ${visibleRows.length === 1 ? "match" : "matches"} in ${number(rows.length)} changes`;
    status.textContent = visibleRows.length
      ? `${printing ? "Printed: rows" : "Rows"} ${number(from + 1)} to ${number(to)} of ${total}.`
      : `No matches in ${number(rows.length)} changes.`;
    byId("operations-pages").hidden = visibleRows.length <= PAGE;
    byId("previous").disabled = from === 0;
    byId("next").disabled = to >= visibleRows.length;
  };
  const turn = (to) => { page = to; render(page * PAGE, PAGE); };

  const choose = () => {
    const terms = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const kind = show ? show.value : "all";
    const matches = (index) => {
      const row = rows[index];
      if (kind === "finding" && !value(row, finding)) return false;
      if (kind.startsWith("result:") && value(row, result) !== kind.slice("result:".length)) return false;
      if ((kind === "add" || kind === "remove") && value(row, change) !== kind) return false;
      return terms.every((word) => foldedRow(index).includes(word));
    };
    visibleRows = terms.length || kind !== "all" ? all.filter(matches) : all;
    if (order) {
      const { column, down } = order;
      const collator = new Intl.Collator("nb", { numeric: true });
      // Sort the distinct words once, so that sorting the rows compares only numbers.
      const rank = new Map(
        [...words.keys()].sort((a, b) => collator.compare(words[a], words[b])).map((word, at) => [word, at]));
      const compare = plain[column]
        ? (a, b) => collator.compare(rows[a][column], rows[b][column])
        : (a, b) => rank.get(rows[a][column]) - rank.get(rows[b][column]);
      const filled = visibleRows.filter((index) => value(rows[index], column) !== "");
      const empty = visibleRows.filter((index) => value(rows[index], column) === "");
      filled.sort((a, b) => (down ? compare(b, a) : compare(a, b)) || a - b);
      visibleRows = [...filled, ...empty];
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
  if (show) show.addEventListener("change", choose);
  byId("as-planned").addEventListener("click", () => { order = null; choose(); });
  byId("previous").addEventListener("click", () => turn(page - 1));
  byId("next").addEventListener("click", () => turn(page + 1));
  addEventListener("beforeprint", () => render(0, PRINTED, true));
  addEventListener("afterprint", () => turn(page));
  byId("operations-tools").hidden = false;
  choose();
}
