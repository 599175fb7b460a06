/* The table as CSV, LaTeX or SVG. */

const MOST_DRAWN = 200;
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
