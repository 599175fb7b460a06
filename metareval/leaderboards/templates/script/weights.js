/* Sliders, and the gauge of the distance to the fitted weights. */

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
