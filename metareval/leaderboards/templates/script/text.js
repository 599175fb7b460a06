/* Elements of the page, and how numbers and names are written. */

const LONGEST_NAME = 80;
const DASH = "\u2013";
const MINUS = "\u2212";
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
