/* Columns of the table: what their cells show, how they sort, what they save. */

const FITTED_ONLY = "it was computed for the weights at the marks, not for those of the sliders";

const tipped = (text, tip, kind = "") =>
  el("button", { type: "button", class: `tipped ${kind}`, "data-tip": tip }, text);
const undefinedCell = (why) => tipped("undefined", `Undefined: ${why}`, "undefined");

function rangeCell(best, worst, rank, size) {
  const x = (place) => 5 + (size > 1 ? ((place - 1) / (size - 1)) * 86 : 43);
  return el("span", { class: "range" },
    svg("svg", { viewBox: "0 0 96 14", "aria-hidden": "true", focusable: "false" },
      svg("line", { class: "track", x1: 5, x2: 91, y1: 7, y2: 7 }),
      svg("rect", {
        class: "bar", x: x(best) - 4, width: x(worst) - x(best) + 8, y: 3, height: 8, rx: 4,
      }),
      Number.isNaN(rank) ? null : svg("circle", { class: "at", cx: x(rank), cy: 7, r: 2.5 })),
    span(best, worst));
}

function columns() {
  const found = level();
  const custom = state.weights !== null;
  const out = [];
  const reason = (row) => {
    const weights = used();
    if (!weights.some((w) => w > 0)) return "all weights are 0";
    const holes = table().metrics
      .map((metric, m) => [metric.name, found.gaps.get(`${row},${m}`), weights[m]])
      .filter(([, why, weight]) => why && weight > 0);
    return holes.map(([name, why]) => `${short(name)} ${why}`).join("; ");
  };
  const unranked = (row) => `the row is not ranked: ${reason(row)}`;
  out.push({
    key: "rank", title: "Rank", number: true, down: false,
    value: (row) => now.rank[row],
    text: (row) => (Number.isNaN(now.rank[row]) ? "" : `${now.rank[row]}${now.tied[row] ? "=" : ""}`),
    cell: (row) => (Number.isNaN(now.rank[row])
      ? undefinedCell(unranked(row))
      : el("span", { class: "rank" }, String(now.rank[row]), now.tied[row]
        ? [el("span", { "aria-hidden": "true" }, "="), el("span", { class: "visually-hidden" }, " tied")]
        : "")),
    csv: [["rank", (row) => now.rank[row]], ["tied", (row) => Boolean(now.tied[row])]],
  });
  out.push(labelColumn("item", found));
  for (const role of ["block", "replicate"]) {
    if (found.labels[role]) out.push(labelColumn(role, found));
  }
  const interval = (row) => !custom && !Number.isNaN(found.low[row]);
  const noInterval = custom ? FITTED_ONLY : found.why.data || "the draws do not vary";
  out.push({
    key: "score", title: "Score", number: true, down: true,
    value: (row) => now.score[row],
    text: (row) => number(now.score[row])
      + (interval(row) ? ` [${signed(found.low[row])}, ${signed(found.high[row])}]` : ""),
    cell: (row) => {
      if (Number.isNaN(now.score[row])) return undefinedCell(reason(row));
      return [number(now.score[row]), interval(row)
        ? el("span", { class: "interval" }, `[${signed(found.low[row])}, ${signed(found.high[row])}]`)
        /* Of single runs none has one, as the legend says. */
        : found.why.weights ? "" : tipped("no interval", `No interval: ${noInterval}`, "interval")];
    },
    csv: [
      ["score", (row) => now.score[row]],
      ["score_low", (row) => (custom ? NaN : found.low[row])],
      ["score_high", (row) => (custom ? NaN : found.high[row])],
    ],
  });
  const range = (key, title, best, worst, missing, help) => ({
    key, title, help, down: false,
    value: (row) => (missing ? NaN : best[row] + worst[row] / 1e6),
    text: (row) => (missing || Number.isNaN(best[row]) ? "" : span(best[row], worst[row])),
    cell: (row) => (missing || Number.isNaN(best[row])
      ? undefinedCell(missing || unranked(row))
      : rangeCell(best[row], worst[row], now.rank[row], now.sizes.get(found.group[row]) || 1)),
    csv: [
      [`${key}_best`, (row) => (missing ? NaN : best[row])],
      [`${key}_worst`, (row) => (missing ? NaN : worst[row])],
    ],
  });
  const share = (key, title, values, missing, help) => ({
    key, title, help, number: true, down: true,
    value: (row) => (missing ? NaN : values[row]),
    text: (row) => (missing ? "" : percent(values[row])),
    cell: (row) => (missing || Number.isNaN(values[row])
      ? undefinedCell(missing || unranked(row))
      : percent(values[row])),
    csv: [[key, (row) => (missing ? NaN : values[row])]],
  });
  const why = found.why;
  const sampled = (exact) => (exact ? "" : " (sampled)");
  if (!why.weights) {
    out.push(range("ranks_data", "Ranks,\nother data", found.dataBest, found.dataWorst,
      why.data || (custom ? FITTED_ONLY : "")));
    out.push(range("ranks_weights", "Ranks,\nother weights", found.weightBest,
      found.weightWorst, ""));
    out.push(share("first_weights", `First, all\nweightings${sampled(found.weightFirstExact)}`,
      found.weightFirst, ""));
    out.push(share("first_data", `First,\nredrawn${sampled(found.dataFirstExact)}`,
      found.dataFirst, why.data_first || (custom ? FITTED_ONLY : "")));
  }
  const other = state.protocol === "honest" ? "published" : "honest";
  const there = table().views[other] && table().views[other].levels[state.level];
  if (there && !custom) {
    const theirs = otherRanks(other);
    out.push({
      key: "rank_other", title: `Rank,\n${other}`, number: true, down: false,
      value: (row) => theirs.rank[row],
      text: (row) => number(theirs.rank[row], 0),
      cell: (row) => (Number.isNaN(theirs.rank[row])
        ? undefinedCell(`it has no score under the ${other} protocol`)
        : String(theirs.rank[row])),
      csv: [[`rank_${other}`, (row) => theirs.rank[row]]],
    });
  }
  table().metrics.forEach((metric, m) => out.push(metricColumn(metric, m, found)));
  return out;
}

function labelColumn(role, found) {
  const name = roleName(role);
  return {
    key: role, title: short(name), down: false, name: role === "item",
    value: (row) => found.label(role, row),
    text: (row) => found.label(role, row),
    cell: (row) => {
      const text = found.label(role, row);
      if (role !== "item") return short(text);
      const entrant = table().entrants[text];
      return [
        el("button", { type: "button", "data-open": row, "aria-expanded": String(open.has(row)) },
          el("bdi", {}, short(text))),
        entrant ? el("span", { class: "badge entry" }, "entry") : "",
      ];
    },
    csv: [[name, (row) => found.label(role, row)]],
  };
}

function metricColumn(metric, m, found) {
  const values = state.mapped ? found.values[m] : found.raw[m];
  const higher = state.mapped || metric.direction === "higher";
  return {
    key: `metric ${metric.name}`, title: short(metric.name), number: true, down: higher, metric: m,
    direction: higher ? "higher is better" : "lower is better", arrow: higher ? "\u2191" : "\u2193",
    value: (row) => values[row],
    text: (row) => number(values[row]),
    cell: (row) => {
      const why = found.gaps.get(`${row},${m}`);
      if (why || Number.isNaN(values[row])) return undefinedCell(why || "not measured");
      const text = number(values[row]);
      if (!found.flat.has(`${found.group[row]},${m}`)) return text;
      const where = found.groups.length > 1 ? ` in ${short(found.groups[found.group[row]])}` : "";
      return tipped(text, `${short(metric.name)} does not vary${where}, so it ranks nothing there.`);
    },
    csv: [[metric.name, (row) => values[row]]],
  };
}

function visible(cols) {
  const found = level();
  const text = state.search.trim().toLowerCase();
  const wanted = ROLES.filter((role) => state[role] && found.labels[role]).map((role) => {
    const labels = found.labels[role];
    const code = labels.names.indexOf(state[role]);
    return (row) => labels.codes[row] === code;
  });
  const rows = [];
  for (let row = 0; row < found.group.length; row++) {
    if (wanted.every((keep) => keep(row)) && (!text || found.matches(row, text))) rows.push(row);
  }
  const column = cols.find((c) => c.key === state.sort) || cols[0];
  const sign = state.down ? -1 : 1;
  const byRank = (a, b) => {
    const x = now.rank[a];
    const y = now.rank[b];
    return found.group[a] - found.group[b]
      || (Number.isNaN(x) - Number.isNaN(y)) || (x - y) || a - b;
  };
  const keys = column.key === "rank" ? now.rank : rows.length ? [] : null;
  if (column.key !== "rank") for (const row of rows) keys[row] = column.value(row);
  rows.sort((a, b) => {
    const x = keys[a];
    const y = keys[b];
    if (typeof x === "string") return sign * alphabet.compare(x, y) || byRank(a, b);
    if (column.key === "rank" && found.group[a] !== found.group[b]) {
      return found.group[a] - found.group[b];
    }
    const lost = Number.isNaN(x) - Number.isNaN(y);
    return lost || (Number.isNaN(x) ? 0 : sign * (x - y)) || byRank(a, b);
  });
  return rows;
}

const columnsKnow = (key) => {
  const fixed = ["rank", "item", "block", "replicate", "score", "ranks_data", "ranks_weights",
    "first_weights", "first_data", "rank_other"];
  return fixed.includes(key) || table().metrics.some((metric) => `metric ${metric.name}` === key);
};
