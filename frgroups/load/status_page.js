"use strict";
(() => {
  const body = document.querySelector("#tenants tbody");
  const rows = [...body.rows];
  const heads = [...document.querySelectorAll("#tenants thead th")];
  const search = document.getElementById("search");
  const wrong = document.getElementById("wrong");
  const told = document.getElementById("told");

  const show = () => {
    const words = search.value.trim().toLowerCase();
    let n = 0;
    for (const row of rows) {
      const hit = row.textContent.toLowerCase().includes(words) && !(wrong.checked && row.dataset.ok === "yes");
      row.hidden = !hit;
      n += hit;
    }
    told.textContent = n === rows.length ? "" : `${n} of ${rows.length} shown`;
  };

  const value = (row, at) => {
    const cell = row.cells[at];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
  };

  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => {
        const x = value(a, at), y = value(b, at);
        return typeof x === "number" ? x - y : x.localeCompare(y);
      };
      rows.sort((a, b) => (up ? order(a, b) : order(b, a)));
      body.append(...rows);
    });
  });

  search.addEventListener("input", show);
  wrong.addEventListener("change", show);
  document.getElementById("tools").hidden = rows.length < 2;
})();
