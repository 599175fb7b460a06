/* What is shown: the data, the choices made, and the address that keeps them. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const PAGE_SIZE = 50;
const MOST_CHOICES = 300;
const ROLES = ["block", "item", "replicate"];
const NAMES = { block: "block", item: "item", replicate: "replicate" };
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
