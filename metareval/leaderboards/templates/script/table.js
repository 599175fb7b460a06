/* The table as it stands on the page. */

function drawHead(cols) {
  const focus = document.activeElement && document.activeElement.dataset.sort;
  get("head").replaceChildren(el("tr", {}, cols.map((column) => {
    const sorted = column.key === state.sort;
    const arrow = state.down ? "\u25BC" : "\u25B2";
    const findings = column.metric === undefined ? [] : table().metrics[column.metric].findings;
    const worst = ["error", "warning", "note"].find((s) => findings.some(([kind]) => kind === s));
    return el("th", {
      scope: "col", class: `${column.number ? "number" : ""} ${column.name ? "name" : ""}`.trim(),
      "aria-sort": sorted ? (state.down ? "descending" : "ascending") : null,
    },
    column.metric === undefined ? "" : el("button", {
      type: "button", class: `found ${worst || ""}`.trim(), "data-about": column.metric,
      "aria-label": `About ${column.title}: ${counted(findings.length, "finding")} of the audit`,
            "data-tip": `${counted(findings.length, "finding")} of the audit`,
    }, String(findings.length)),
    el("button", { type: "button", class: "sort", "data-sort": column.key }, column.title,
      column.arrow ? el("span", { "aria-hidden": "true" }, ` ${column.arrow}`) : "",
      column.direction ? el("span", { class: "visually-hidden" }, `, ${column.direction}`) : "",
      sorted ? el("span", { "aria-hidden": "true" }, ` ${arrow}`) : ""));
  })));
  if (focus) {
    const again = [...get("head").querySelectorAll(".sort")].find((b) => b.dataset.sort === focus);
    if (again) again.focus();
  }
}

function drawBody(cols, rows) {
  const found = level();
  const last = Math.max(0, Math.ceil(rows.length / PAGE_SIZE) - 1);
  state.page = Math.min(state.page, last);
  const start = state.page * PAGE_SIZE;
  const body = document.createDocumentFragment();
  rows.slice(start, start + PAGE_SIZE).forEach((row, at) => {
    body.append(el("tr", { "aria-rowindex": start + at + 2, "data-row": row }, cols.map((column) =>
      el(column.name ? "th" : "td", {
        scope: column.name ? "row" : null,
        class: column.name ? "name" : column.number ? "number" : null,
      }, column.cell(row)))));
    if (open.has(row)) {
      body.append(el("tr", { class: "detail" },
        el("td", { colspan: cols.length }, el("div", { class: "inner" }, detail(found, row)))));
    }
  });
  get("body").replaceChildren(body);
  get("board").setAttribute("aria-rowcount", String(rows.length + 1));
  get("scroll").hidden = rows.length === 0;
  get("empty").hidden = rows.length > 0;
  get("pages").hidden = rows.length === 0;
  const end = Math.min(start + PAGE_SIZE, rows.length);
  const all = found.group.length;
  get("shown").textContent = `Rows ${start + 1}${DASH}${end} of ${rows.length.toLocaleString("en")}`
    + (rows.length < all ? ` (${all.toLocaleString("en")} in all)` : "");
  get("previous").hidden = get("next").hidden = last === 0;
  get("previous").disabled = state.page === 0;
  get("next").disabled = state.page === last;
}

function detail(found, row) {
  const name = found.label("item", row);
  const out = [];
  const entrant = table().entrants[name];
  if (Array.from(name).length > LONGEST_NAME) out.push(el("p", {}, name));
  if (entrant) {
    out.push(el("p", {}, entrant.submitter ? `Entered by ${entrant.submitter}. ` : "An entry. ",
      entrant.note ? `${entrant.note} ` : "",
      entrant.url ? el("a", { href: entrant.url, rel: "noreferrer noopener" }, entrant.url) : ""));
  }
  const group = found.tables.get(found.group[row]);
  const own = group ? group.rows.indexOf(row) : -1;
  if (!group || own < 0) {
    out.push(el("p", {}, found.why.weights
      ? "Comparisons under other weights are given for items, not for single runs."
      : "Without a score it is compared with no other item."));
  } else if (!group.outranks) {
    out.push(el("p", {}, "The table ranks too many items to compare every two of them."));
  } else {
    const others = group.rows.map((other, at) => [other, group.outranks[own][at]])
      .filter(([other]) => other !== row).sort((a, b) => now.rank[a[0]] - now.rank[b[0]]);
    out.push(el("p", {}, others.length
      ? "Share of all weightings under which it outranks (exact):" : "There is no other item."),
    el("ul", {}, others.map(([other, share]) =>
      el("li", {}, el("bdi", {}, short(found.label("item", other))), `: ${percent(share)}`))));
  }
  return out;
}

function drawTable() {
  const cols = columns();
  const rows = visible(cols);
  drawHead(cols);
  drawBody(cols, rows);
  const which = state.weights ? "weights of the sliders" : view().equal ? "equal weights" : "fitted weights";
  get("caption").textContent = `${get("level").selectedOptions[0].textContent}: ${state.protocol} protocol, ${which}`;
  /* Browsers refuse addresses that change with every step of a slider. */
  clearTimeout(saving);
  saving = setTimeout(saveState, 200);
}
