"use strict";
(() => {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const PAGE_SIZE = 50;
  const MOST_CHOICES = 300;
  const LONGEST_NAME = 80;
  const MOST_DRAWN = 200;
  const DASH = "\u2013";
  const MINUS = "\u2212";
  const ROLES = ["block", "item", "replicate"];
  const NAMES = { block: "block", item: "item", replicate: "replicate" };
  const FITTED_ONLY = "it was computed for the weights at the marks, not for those of the sliders";

  const alphabet = new Intl.Collator("en", { numeric: true });

  const get = (id) => document.getElementById(id);

  /* Names reach the page as text nodes and attributes only, never as markup. */
  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
    }
    node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ""));
    return node;
  }
  const el = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  function number(value, digits = 3) {
    if (!Number.isFinite(value)) return "";
    const size = Math.abs(value);
    let text;
    if (Number.isInteger(size) && size < 1e6) text = String(size);
    else if (size !== 0 && size < 10 ** -digits / 2) text = size.toExponential(1);
    else text = size < 1e6 ? size.toFixed(digits) : String(Number(size.toPrecision(3)));
    return (value < 0 ? MINUS : "") + text;
  }
  function percent(share) {
    if (!Number.isFinite(share)) return "";
    if (share > 0 && share < 0.001) return "<0.1%";
    if (share > 0.999 && share < 1) return ">99.9%";
    const close = share !== 0 && share !== 1 && (share < 0.01 || share > 0.99);
    return `${(100 * share).toFixed(close ? 1 : 0)}%`;
  }
  const signed = (value) => (value < 0 ? MINUS : "") + Math.abs(value).toFixed(2);
  const short = (text) => {
    const characters = Array.from(text.slice(0, 2 * LONGEST_NAME + 2));
    return characters.length <= LONGEST_NAME
      ? text
      : `${characters.slice(0, LONGEST_NAME - 1).join("")}\u2026`;
  };
  const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
  const span = (low, high) => (low === high ? String(low) : `${low}${DASH}${high}`);

  const blank = () => ({
    table: 0, protocol: "honest", level: null, weights: null, sort: null, down: false,
    search: "", block: "", item: "", replicate: "", mapped: false, page: 0,
  });
  let state = blank();
  let open = new Set();
  let saving = 0;
  let now = null;

  const table = () => DATA.tables[state.table];
  const view = () => table().views[state.protocol];
  const level = () => view().levels[state.level];
  const roleName = (role) => table().roles[role] || NAMES[role];

  function prepare(found) {
    if (found.ready) return found;
    const floats = (column) => Float64Array.from(column, (v) => (v === null ? NaN : v));
    found.raw = found.raw.map(floats);
    found.values = found.values.map((column, m) => (column === null ? found.raw[m] : floats(column)));
    for (const key of [
      "low", "high", "dataBest", "dataWorst", "dataFirst", "weightBest", "weightWorst",
      "weightFirst",
    ]) found[key] = floats(found[key]);
    found.gaps = new Map(found.gaps.map(([r, m, why]) => [`${r},${m}`, why]));
    found.flat = new Set(found.flat.map(([g, m]) => `${g},${m}`));
    found.tables = new Map(found.stability.map((s) => [s.group, s]));
    found.label = (role, row) => {
      const labels = found.labels[role];
      return labels ? labels.names[labels.codes[row]] : "";
    };
    const texts = found.group.map((_, row) =>
      ROLES.map((role) => found.label(role, row)).join("\n").toLowerCase());
    found.matches = (row, text) => texts[row].includes(text);
    found.ready = true;
    return found;
  }

  const normalised = (weights) => {
    const total = weights.reduce((a, b) => a + b, 0);
    return total > 0 ? weights.map((w) => w / total) : weights.map(() => 0);
  };
  const used = () => (state.weights ? normalised(state.weights) : view().weights);

  function scores(found, weights) {
    const total = new Float64Array(found.group.length);
    if (!weights.some((w) => w > 0)) return total.fill(NaN);
    weights.forEach((weight, m) => {
      if (!(weight > 0)) return;
      const column = found.values[m];
      for (let i = 0; i < total.length; i++) total[i] += weight * column[i];
    });
    return total;
  }
  function ranks(found, score) {
    const order = [...score.keys()].filter((i) => !Number.isNaN(score[i]));
    order.sort((a, b) => found.group[a] - found.group[b] || score[b] - score[a]);
    const rank = new Float64Array(score.length).fill(NaN);
    const tied = new Uint8Array(score.length);
    const sizes = new Map();
    let place = 0;
    order.forEach((row, at) => {
      const before = order[at - 1];
      const same = at > 0 && found.group[before] === found.group[row];
      place = same ? place + 1 : 1;
      if (same && score[before] === score[row]) {
        rank[row] = rank[before];
        tied[row] = tied[before] = 1;
      } else rank[row] = place;
      sizes.set(found.group[row], place);
    });
    return { rank, tied, sizes };
  }

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

  const otherRanks = (protocol) => {
    const that = table().views[protocol];
    const found = prepare(that.levels[state.level]);
    found.fitted = found.fitted || ranks(found, scores(found, that.weights));
    return found.fitted;
  };

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

  function drawSliders() {
    const fitted = view().weights;
    const raw = state.weights || fitted;
    get("sliders").replaceChildren(...table().metrics.map((metric, m) => {
      const id = `weight-${m}`;
      const rho = view().rho[m];
      const note = view().notes[m];
      const mark = el("span", { class: "mark", "aria-hidden": "true" });
      /* The thumb does not reach the ends of the rail. */
      mark.style.left = `calc(8px + (100% - 16px) * ${Math.min(fitted[m], 1)})`;
      return el("div", { class: "slider" },
        el("label", { for: id }, el("span", {}, short(metric.name)), el("output", { for: id, id: `${id}-out` })),
        el("div", { class: "rail" }, el("input", {
          type: "range", id, min: 0, max: 1, step: "any", value: raw[m], "data-metric": m,
          "aria-describedby": `${id}-note`,
        }), mark),
        el("small", { id: `${id}-note` }, [
          rho === null ? (view().equal ? "" : "") : `rho ${signed(rho)} with the oracle`, note,
        ].filter(Boolean).join("; ")));
    }));
    drawWeights();
  }

  function drawWeights() {
    const weights = used();
    const raw = state.weights || view().weights;
    weights.forEach((weight, m) => {
      const slider = get(`weight-${m}`);
      const text = percent(weight);
      get(`weight-${m}-out`).textContent = text;
      slider.setAttribute("aria-valuetext", `${text} of the weight`);
      if (document.activeElement !== slider) slider.value = raw[m];
    });
    get("weights-fitted").disabled = state.weights === null;
    drawGauge(weights);
  }

  /* The robustness radius, and how far the sliders have moved from the fitted weights. */
  function nearest() {
    const found = level();
    const known = found.stability.filter((s) => s.tie);
    const chosen = state.block && found.labels.block
      ? known.filter((s) => found.groups[s.group] === state.block) : known;
    const length = (s) => (s.tie.distance === null ? Infinity : s.tie.distance);
    return chosen.reduce((a, b) => (a && length(a) <= length(b) ? a : b), null);
  }
  function drawGauge(weights) {
    const found = level();
    const near = nearest();
    const reachable = near && near.tie.distance !== null;
    get("gauge").hidden = !near;
    get("weights-tie").disabled = !reachable;
    if (!near) return;
    const fitted = view().weights;
    const moved = Math.hypot(...weights.map((w, m) => w - fitted[m]));
    if (!reachable) {
      get("gauge-picture").replaceChildren();
      get("gauge-text").textContent = "No weights reverse two neighbours of the ranking: the radius is infinite.";
      return;
    }
    const radius = near.tie.distance;
    const most = Math.max(2 * radius, 1.1 * moved, 0.01);
    const x = (length) => 1 + (length / most) * 98;
    const at = (length) => `${x(length)}%`;
    get("gauge-picture").replaceChildren(svg("svg", { "aria-hidden": "true", focusable: "false" },
      svg("rect", { class: "track", x: at(0), width: `${98}%`, y: 24, height: 8, rx: 4 }),
      svg("rect", { class: "safe", x: at(0), width: `${x(radius) - x(0)}%`, y: 24, height: 8, rx: 4 }),
      svg("line", { class: "limit", x1: at(radius), x2: at(radius), y1: 16, y2: 40 }),
      svg("circle", { class: "here", cx: at(moved), cy: 28, r: 7 }),
      svg("text", { x: at(radius), y: 11, "text-anchor": x(radius) > 85 ? "end" : "middle" }, `radius ${number(radius)}`),
      svg("text", { x: at(0), y: 53 }, view().equal ? "equal weights" : "fitted weights"),
      svg("text", { x: "99%", y: 53, "text-anchor": "end" }, `distance ${number(most, 2)}`)));
    const pair = near.tie.pair.map((row) => short(found.label("item", row))).join(" and ");
    const where = found.groups.length > 1 ? ` in ${short(found.groups[near.group])}` : "";
    const usual = view().equal ? "equal" : "fitted";
    const place = state.weights === null ? `These are the ${usual} weights`
      : `The weights are ${number(moved)} away from the ${usual} ones`;
    get("gauge-text").textContent = `${place}; a change of ${number(radius)} is enough to make ${pair} tie${where}`
      + (state.weights === null || moved < radius ? "." : ", so the order may be another here.");
  }

  function rerank(announce) {
    const found = prepare(level());
    const before = now && now.level === found ? now : null;
    const score = scores(found, used());
    now = { level: found, score, ...ranks(found, score) };
    drawTable();
    drawWeights();
    if (announce) say(before);
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

  let speaking = 0;
  function say(before) {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const found = level();
      const first = [...now.rank.keys()].filter((row) => now.rank[row] === 1 && (found.groups.length === 1));
      const moved = before ? [...now.rank.keys()].filter((row) =>
        now.rank[row] !== before.rank[row] && !(Number.isNaN(now.rank[row]) && Number.isNaN(before.rank[row]))).length : 0;
      const names = first.slice(0, 3).map((row) => short(found.label("item", row))).join(" and ");
      get("status").textContent = `Ranked anew${names ? `: ${names} first` : ""}. `
        + `${moved} of ${now.rank.length} rows have another rank.`;
    }, 250);
  }

  function choose() {
    if (!table().views[state.protocol]) state.protocol = "honest";
    const levels = Object.keys(view().levels);
    if (!levels.includes(state.level)) state.level = levels[0];
    prepare(level());
    open = new Set();
    if (!columnsKnow(state.sort)) {
      state.sort = "rank";
      state.down = false;
    }
    for (const radio of document.querySelectorAll("input[name=protocol]")) {
      radio.checked = radio.value === state.protocol;
      radio.disabled = !table().views[radio.value];
    }
    get("protocol-problem").textContent = Object.entries(table().problems)
      .map(([name, why]) => `No ${name} protocol: ${why}`).join(" ");
    get("protocol-problem").hidden = Object.keys(table().problems).length === 0;
    get("table").value = String(state.table);
    get("sentences").textContent = view().sentences.join(" ");
    get("tiles").replaceChildren(...view().tiles.map((tile) => el("li", {},
      el("a", { class: tile.tone, href: `#${tile.section}`, "data-go": tile.section },
        el("b", {}, tile.value), el("span", {}, tile.text)))));
    for (const part of document.querySelectorAll(".findings")) {
      part.hidden = part.dataset.table !== table().slug;
    }
    const [item, block, replicate] = ["item", "block", "replicate"].map((r) => short(roleName(r)));
    const words = {
      item: table().roles.block ? `each ${item}, over every ${block}` : `each ${item}`,
      unit: `each ${item}, within its ${block}`,
      row: `single runs, within their ${[table().roles.block && block, replicate].filter(Boolean).join(" and ")}`,
    };
    get("level").replaceChildren(...levels.map((name) => el("option", { value: name }, words[name])));
    get("level").value = state.level;
    for (const role of ROLES) drawFilter(role);
    get("search").value = state.search;
    get("mapped").value = state.mapped ? "1" : "";
    get("weights-fitted").textContent = view().equal ? "Equal weights" : "Fitted weights";
    get("weights-equal").hidden = Boolean(view().equal);
    get("weights-lead").textContent = view().equal
      ? `The metrics weigh the same: ${view().equal.replace(/\.$/, "")}. Move a slider to rank with other weights.`
      : "The marks show the fitted weights. Move a slider to rank with other weights; they always add up to 100%.";
    get("legend").textContent = level().why.weights
      ? "Single runs are ranked against the runs that share their conditions; ranges are given for items."
      : "Bars reach from the best to the worst plausible rank; the dot is the rank with the weights in use. "
        + "= marks ties. Numbers above metrics count the findings of the audit.";
    const draws = view().draws;
    get("draws").textContent = `Drawn here: weights ${(draws.weights || 0).toLocaleString("en")} times`
      + (draws.data ? `, data ${draws.data.toLocaleString("en")} times.` : ".");
    now = null;
    drawSliders();
    rerank(false);
  }

  const columnsKnow = (key) => {
    const fixed = ["rank", "item", "block", "replicate", "score", "ranks_data", "ranks_weights",
      "first_weights", "first_data", "rank_other"];
    return fixed.includes(key) || table().metrics.some((metric) => `metric ${metric.name}` === key);
  };

  function drawFilter(role) {
    const labels = level().labels[role];
    const shown = Boolean(labels) && labels.names.length > 1 && labels.names.length <= MOST_CHOICES;
    if (!shown || !labels.names.includes(state[role])) state[role] = "";
    const choice = get(`${role}-choice`);
    choice.hidden = !shown;
    if (!shown) return;
    choice.querySelector("span").textContent = short(roleName(role));
    get(role).replaceChildren(el("option", { value: "" }, "all"),
      ...labels.names.map((name) => el("option", { value: name }, short(name))));
    get(role).value = state[role];
  }

  function about(m) {
    const metric = table().metrics[m];
    const rho = view().rho[m];
    get("about-title").textContent = metric.full ? `${short(metric.name)}: ${metric.full}` : short(metric.name);
    const facts = `${metric.direction === "higher" ? "Higher" : "Lower"} is better; mapped to [0, 1] by `
      + `${view().transforms[m]}; weight ${percent(view().weights[m])}`
      + `${rho === null ? "" : `, rho ${signed(rho)} with the oracle`}. ${view().notes[m]}`;
    get("about-body").replaceChildren(el("p", {}, facts), metric.findings.length
      ? el("ul", {}, metric.findings.map(([kind, code, message, id]) =>
        el("li", {}, el("a", { href: `#${id}`, "data-go": id }, `${kind} ${code}`), ` ${message}`)))
      : el("p", {}, "The audit found nothing about it."));
    get("about").showModal();
  }

  function saveState() {
    const out = new URLSearchParams();
    const put = (key, value, usual) => { if (value !== usual) out.set(key, value); };
    if (DATA.tables.length > 1) put("table", table().name, DATA.tables[0].name);
    put("protocol", state.protocol, "honest");
    put("level", state.level, Object.keys(view().levels)[0]);
    if (state.weights) table().metrics.forEach((metric, m) => out.set(`w.${metric.name}`, state.weights[m]));
    put("sort", `${state.down ? "-" : ""}${state.sort}`, "rank");
    put("search", state.search, "");
    for (const role of ROLES) put(role, state[role], "");
    put("mapped", state.mapped ? "1" : "", "");
    put("page", String(state.page + 1), "1");
    const text = out.toString();
    const wanted = text ? `#${text}` : location.pathname + location.search;
    if (location.hash !== (text ? `#${text}` : "")) history.replaceState(null, "", wanted);
  }
  function loadState() {
    clearTimeout(saving);
    state = blank();
    const given = new URLSearchParams(location.hash.slice(1));
    const at = DATA.tables.findIndex((t) => t.name === given.get("table"));
    state.table = Math.max(at, 0);
    if (given.get("protocol") === "published") state.protocol = "published";
    state.level = given.get("level");
    const weights = table().metrics.map((metric) => Number(given.get(`w.${metric.name}`) || 0));
    if (table().metrics.some((metric) => given.has(`w.${metric.name}`))
      && weights.every((w) => Number.isFinite(w) && w >= 0 && w <= 1)) state.weights = weights;
    const sort = given.get("sort") || "rank";
    state.down = sort.startsWith("-");
    state.sort = state.down ? sort.slice(1) : sort;
    state.search = given.get("search") || "";
    for (const role of ROLES) state[role] = given.get(role) || "";
    state.mapped = given.get("mapped") === "1";
    state.page = Math.max(0, Math.trunc(Number(given.get("page")) || 1) - 1);
  }

  function csvField(value) {
    if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
    if (typeof value === "boolean") return value ? "True" : "False";
    const text = DATA.formula.some((start) => value.startsWith(start)) ? `'${value}` : value;
    return /[,"\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text;
  }
  function toCsv(cols, rows) {
    const parts = cols.flatMap((column) => column.csv);
    const lines = [parts.map(([head]) => csvField(head)),
      ...rows.map((row) => parts.map(([, value]) => csvField(value(row))))];
    return lines.map((line) => `${line.join(",")}\n`).join("");
  }
  const latex = (text) => Array.from(text).map((c) => DATA.latex[c] || c).join("");
  function toLatex(cols, rows) {
    const line = (cells) => `${cells.map(latex).join(" & ")} \\\\`;
    return [
      "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}.",
      `% ${latex(get("caption").textContent)}`,
      `\\begin{tabular}{${cols.map((c) => (c.number ? "r" : "l")).join("")}}`,
      "\\toprule",
      line(cols.map((c) => c.title.replaceAll("\n", " "))),
      "\\midrule",
      ...rows.map((row) => line(cols.map((c) => c.text(row) || DASH))),
      "\\bottomrule",
      "\\end{tabular}",
      "",
    ].join("\n");
  }
  function toSvg(cols, rows) {
    const found = level();
    const drawn = rows.slice(0, MOST_DRAWN);
    const bars = found.why.weights || found.why.data || state.weights
      ? [found.weightBest, found.weightWorst, "other weights"]
      : [found.dataBest, found.dataWorst, "other data"];
    const height = 26;
    const top = 64;
    const left = 330;
    const wide = 330;
    const most = Math.max(1, ...now.sizes.values());
    const x = (rank) => left + (most > 1 ? ((rank - 1) / (most - 1)) * wide : wide / 2);
    const label = (row) => Array.from(ROLES.map((role) => found.label(role, row)).reverse()
      .filter(Boolean).join(" / ")).slice(0, 40).join("");
    const size = top + height * drawn.length + 34;
    const text = (attributes, value) => svg("text", { fill: "#1c2430", ...attributes }, value);
    const root = svg("svg", {
      width: 800, height: size, viewBox: `0 0 800 ${size}`, "font-family": "sans-serif", "font-size": 13,
    },
    svg("rect", { width: 800, height: size, fill: "#ffffff" }),
    text({ x: 16, y: 24, "font-weight": "bold" }, get("caption").textContent.slice(0, 110)),
    text({ x: 250, y: 48, "text-anchor": "middle" }, "score"),
    text({ x: left, y: 48 }, found.why.weights ? "rank (dot)" : `rank (dot) and ranks under ${bars[2]} (bar)`),
    drawn.map((row, at) => {
      const y = top + height * at + 10;
      const best = bars[0][row];
      const worst = bars[1][row];
      return svg("g", {},
        text({ x: 16, y: y + 4 }, label(row)),
        text({ x: 270, y: y + 4, "text-anchor": "end" }, number(now.score[row]) || "undefined"),
        svg("line", { x1: x(1), x2: x(most), y1: y, y2: y, stroke: "#dce1e8", "stroke-width": 2 }),
        Number.isNaN(best) ? "" : svg("rect", {
          x: x(best) - 5, width: x(worst) - x(best) + 10, y: y - 5, height: 10, rx: 5, fill: "#1f5fa8", "fill-opacity": 0.45,
        }),
        Number.isNaN(now.rank[row]) ? "" : svg("circle", { cx: x(now.rank[row]), cy: y, r: 3.5, fill: "#1c2430" }),
        text({ x: left + wide + 24, y: y + 4 }, cols[0].text(row) || "undefined"));
    }),
    text({ x: left, y: size - 12, "font-size": 11 }, rows.length > drawn.length
      ? `rank 1 to ${most}; the first ${drawn.length} of ${rows.length} rows` : `rank 1 to ${most}`));
    return new XMLSerializer().serializeToString(root);
  }
  function save(kind, type, text) {
    const name = `leaderboard-${table().slug}-${state.protocol}-${state.level}.${kind}`;
    const address = URL.createObjectURL(new Blob([text], { type }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  function showTip(target) {
    const tip = get("tip");
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    const box = target.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, innerWidth - size.width - 8));
    const below = box.bottom + 4;
    tip.style.left = `${left}px`;
    tip.style.top = `${below + size.height > innerHeight ? Math.max(4, box.top - size.height - 4) : below}px`;
    target.setAttribute("aria-describedby", "tip");
  }
  function hideTip() {
    get("tip").hidden = true;
    for (const node of document.querySelectorAll("[aria-describedby=tip]")) node.removeAttribute("aria-describedby");
  }

  const on = (id, kind, handler) => get(id).addEventListener(kind, handler);
  let waiting = false;
  on("sliders", "input", (event) => {
    const slider = event.target.closest("input");
    if (!slider) return;
    const weights = [...(state.weights || view().weights)];
    weights[Number(slider.dataset.metric)] = Number(slider.value);
    state.weights = weights;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      rerank(true);
    });
  });
  const setWeights = (weights) => {
    state.weights = weights;
    rerank(true);
  };
  on("weights-fitted", "click", () => setWeights(null));
  on("weights-equal", "click", () => setWeights(view().usable.map((usable) => (usable ? 1 : 0))));
  on("weights-tie", "click", () => {
    const found = nearest().tie.weights;
    let at = 0;
    setWeights(view().usable.map((usable) => (usable ? found[at++] : 0)));
  });
  on("table", "change", (event) => {
    state = { ...blank(), table: Number(event.target.value), protocol: state.protocol };
    choose();
  });
  for (const radio of document.querySelectorAll("input[name=protocol]")) {
    radio.addEventListener("change", () => {
      state.protocol = radio.value;
      choose();
      get("status").textContent = `${radio.value} protocol. ${view().sentences.join(" ")}`;
    });
  }
  on("level", "change", (event) => {
    state = { ...state, level: event.target.value, page: 0, sort: "rank", down: false };
    choose();
  });
  const filter = (key) => (event) => {
    state[key] = event.target.value;
    state.page = 0;
    drawTable();
    drawWeights();
    get("status").textContent = get("empty").hidden ? get("shown").textContent : "No row matches.";
  };
  on("search", "input", filter("search"));
  for (const role of ROLES) on(role, "change", filter(role));
  on("mapped", "change", (event) => {
    state.mapped = event.target.value === "1";
    drawTable();
  });
  on("controls", "submit", (event) => event.preventDefault());
  on("clear", "click", () => {
    state = { ...state, search: "", block: "", item: "", replicate: "", page: 0 };
    choose();
    get("search").focus();
  });
  const turn = (step) => () => {
    state.page += step;
    drawTable();
    get("status").textContent = get("shown").textContent;
    const pressed = get(step > 0 ? "next" : "previous");
    if (pressed.disabled) get(step > 0 ? "previous" : "next").focus();
  };
  on("previous", "click", turn(-1));
  on("next", "click", turn(1));
  on("head", "click", (event) => {
    const sort = event.target.closest(".sort");
    const more = event.target.closest(".found");
    if (more) about(Number(more.dataset.about));
    if (!sort) return;
    const column = columns().find((c) => c.key === sort.dataset.sort);
    state.down = state.sort === column.key ? !state.down : column.down;
    state.sort = column.key;
    state.page = 0;
    drawTable();
    get("status").textContent = `Sorted by ${column.title.replaceAll("\n", " ")}, ${state.down ? "descending" : "ascending"}.`;
  });
  on("body", "click", (event) => {
    const button = event.target.closest("[data-open]");
    if (!button) return;
    const row = Number(button.dataset.open);
    if (!open.delete(row)) open.add(row);
    drawTable();
    get("body").querySelector(`[data-open="${row}"]`).focus();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-go]");
    if (!link) return;
    /* The address holds the state, so a link within the page must not replace it. */
    event.preventDefault();
    if (get("about").open) get("about").close();
    const target = get(link.dataset.go);
    for (const part of target.querySelectorAll("#panel")) part.open = true;
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  });
  for (const [id, kind, type, make] of [
    ["save-csv", "csv", "text/csv", toCsv],
    ["save-latex", "tex", "text/x-tex", toLatex],
    ["save-svg", "svg", "image/svg+xml", toSvg],
  ]) {
    on(id, "click", () => {
      const cols = columns();
      save(kind, type, make(cols, visible(cols)));
      get("status").textContent = `Saved as ${kind.toUpperCase()}.`;
    });
  }
  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const target = event.target.closest("[data-tip]");
      if (target) showTip(target);
      else if (kind === "focusin" || !event.target.closest("#tip")) hideTip();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
  addEventListener("scroll", hideTip, { passive: true, capture: true });
  addEventListener("hashchange", () => {
    if (!location.hash || location.hash.includes("=")) {
      loadState();
      choose();
    }
  });

  get("table").replaceChildren(...DATA.tables.map((t, at) => el("option", { value: at }, short(t.name))));
  /* On a small screen the ranking comes before the sliders. */
  get("panel").open = innerWidth > 600 || location.hash.includes("w.");
  get("table-choice").hidden = DATA.tables.length < 2;
  loadState();
  choose();
})();
