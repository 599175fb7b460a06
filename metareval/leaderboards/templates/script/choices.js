/* Ranking anew, and what follows from a choice of table, protocol or level. */

function rerank(announce) {
  const found = prepare(level());
  const before = now && now.level === found ? now : null;
  const score = scores(found, used());
  now = { level: found, score, ...ranks(found, score) };
  drawTable();
  drawWeights();
  if (announce) say(before);
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
