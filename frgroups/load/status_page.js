"use strict";
(() => {
  const body = document.querySelector("#tenants tbody");
  const rows = [...body.rows];
  const heads = [...document.querySelectorAll("#tenants thead th")];
  const search = document.getElementById("search");
  const problems = document.getElementById("problems");
  const status = document.getElementById("status");

  const show = () => {
    const text = search.value.trim().toLowerCase();
    let n = 0;
    for (const row of rows) {
      const matches = row.textContent.toLowerCase().includes(text) && !(problems.checked && row.dataset.ok === "yes");
      row.hidden = !matches;
      n += matches;
    }
    status.textContent = n === rows.length ? "" : `${n} of ${rows.length} shown`;
  };

  const value = (row, column) => {
    const cell = row.cells[column];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const order = (a, b) => {
        const x = value(a, column), y = value(b, column);
        return typeof x === "number" ? x - y : x.localeCompare(y);
      };
      rows.sort((a, b) => (ascending ? order(a, b) : order(b, a)));
      body.append(...rows);
    });
  });

  search.addEventListener("input", show);
  problems.addEventListener("change", show);
  document.getElementById("tools").hidden = rows.length < 2;
})();
