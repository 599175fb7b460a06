/* Tips, what clicks and keys do, and the first drawing. */

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
