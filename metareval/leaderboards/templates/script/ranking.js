/* Scores and ranks under any weights, and the nearest weights that change them. */

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

const otherRanks = (protocol) => {
  const that = table().views[protocol];
  const found = prepare(that.levels[state.level]);
  found.fitted = found.fitted || ranks(found, scores(found, that.weights));
  return found.fitted;
};

/* The robustness radius, and how far the sliders have moved from the fitted weights. */
function nearest() {
  const found = level();
  const known = found.stability.filter((s) => s.tie);
  const chosen = state.block && found.labels.block
    ? known.filter((s) => found.groups[s.group] === state.block) : known;
  const length = (s) => (s.tie.distance === null ? Infinity : s.tie.distance);
  return chosen.reduce((a, b) => (a && length(a) <= length(b) ? a : b), null);
}
