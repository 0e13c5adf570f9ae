// Words as points of a plane, with labels that do not cover each other.

import { make, makeSvg } from "./elements.js";

const LEAST_WIDTH = 320;
const MOST_WIDTH = 736;
const SHAPE = 0.75;
const MARGIN = 28;
const LINE = 16;
const RADIUS = 4;

/**
 * An SVG, `width` pixels wide, of `entries` ({word, point, role}: role is a class, "asked" among others) and `arrows` (pairs of indices).
 * Labels are placed in the order of the entries; one that finds no room shows when its point is under the pointer.
 * Returns `element` and `highlight(word)`.
 */
export function drawPlane(entries, { width, share, choose, arrows = [] }) {
  const sheet = { width: Math.max(LEAST_WIDTH, Math.min(MOST_WIDTH, width)) };
  sheet.height = SHAPE * sheet.width;
  const places = fit(
    entries.map(({ point }) => point),
    sheet,
  );
  const words = entries.map(({ word }) => word);
  const svg = makeSvg("svg", {
    viewBox: `0 0 ${sheet.width} ${sheet.height}`,
    role: "img",
    "aria-label": `A map of ${words.length} words: ${words.slice(0, 12).join(", ")}`,
  });
  for (const [from, to] of arrows) svg.append(drawArrow(places[from], places[to]));
  const labels = placeLabels(words, places, arrows, sheet);
  const groups = new Map();
  entries.forEach(({ word, role }, i) => {
    const [x, y] = places[i];
    const label = labels[i];
    const group = makeSvg(
      "g",
      { class: `point ${role}${label.free ? "" : " crowded"}`, onclick: () => choose(word) },
      makeSvg("circle", { class: "reach", cx: x, cy: y, r: 3 * RADIUS }),
      makeSvg("circle", { cx: x, cy: y, r: RADIUS }),
      makeSvg("text", { x: label.x, y: label.y + LINE - 4, direction: "ltr" }, word),
    );
    groups.set(word, group);
    svg.append(group);
  });
  const percent = Math.round(100 * share);
  const caption = `The plane in which these words spread most (two principal components): it shows ${percent} % of their variance.`;
  return {
    element: make("figure", { class: "map" }, svg, make("figcaption", {}, caption)),
    highlight(word) {
      for (const [each, group] of groups) group.classList.toggle("lit", each === word);
      if (groups.has(word)) svg.append(groups.get(word));
    },
  };
}

/** Points on the drawing: both axes in one scale, the middle in the middle. */
function fit(points, { width, height }) {
  const range = (k) => [Math.min(...points.map((p) => p[k])), Math.max(...points.map((p) => p[k]))];
  const [[left, right], [low, high]] = [range(0), range(1)];
  const scale = Math.min(
    (width - 6 * MARGIN) / (right - left || 1),
    (height - 2 * MARGIN) / (high - low || 1),
  );
  return points.map(([x, y]) => [
    width / 2 + scale * (x - (left + right) / 2),
    height / 2 - scale * (y - (low + high) / 2),
  ]);
}

/** Beside, above or below each point, wherever no label, no point and no arrow is covered. */
function placeLabels(words, places, arrows, sheet) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "13px system-ui, sans-serif";
  const taken = [...places, ...arrows.flatMap(([from, to]) => along(places[from], places[to]))].map(
    ([x, y]) => ({
      x: x - RADIUS,
      y: y - RADIUS,
      width: 2 * RADIUS,
      height: 2 * RADIUS,
    }),
  );
  return words.map((word, i) => {
    const [x, y] = places[i];
    const width = pen.measureText(word).width + 2;
    const gap = RADIUS + 3;
    const corners = [
      [x + gap, y - LINE / 2],
      [x - gap - width, y - LINE / 2],
      [x - width / 2, y - gap - LINE],
      [x - width / 2, y + gap],
      [x + gap - 2, y - gap - LINE + 4],
      [x + gap - 2, y + gap - 4],
      [x - gap - width + 2, y - gap - LINE + 4],
      [x - gap - width + 2, y + gap - 4],
    ];
    const boxes = corners.map(([left, top]) => ({ x: left, y: top, width, height: LINE }));
    const free = boxes.find(
      (box) => isInside(box, sheet) && !taken.some((other, j) => j !== i && overlap(box, other)),
    );
    if (free) taken.push(free);
    return { ...(free ?? boxes.find((box) => isInside(box, sheet)) ?? boxes[0]), free: Boolean(free) };
  });
}

/** Places on the way from one to another, close enough for no label to slip between. */
function along([x0, y0], [x1, y1]) {
  const steps = Math.ceil(Math.hypot(x1 - x0, y1 - y0) / LINE);
  return Array.from({ length: Math.max(0, steps - 1) }, (_, i) => {
    const part = (i + 1) / steps;
    return [x0 + part * (x1 - x0), y0 + part * (y1 - y0)];
  });
}

function isInside({ x, y, width, height }, sheet) {
  return x >= 0 && y >= 0 && x + width <= sheet.width && y + height <= sheet.height;
}

function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** From one place to another, short of both, with a head. */
function drawArrow([x0, y0], [x1, y1]) {
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  const [dx, dy] = [(x1 - x0) / length, (y1 - y0) / length];
  const gap = Math.min(2 * RADIUS, length / 3);
  const [startX, startY, endX, endY] = [x0 + gap * dx, y0 + gap * dy, x1 - gap * dx, y1 - gap * dy];
  const side = (turn) => `${endX - 9 * dx + turn * 4 * dy},${endY - 9 * dy - turn * 4 * dx}`;
  return makeSvg(
    "g",
    { class: "arrow" },
    makeSvg("line", { x1: startX, y1: startY, x2: endX, y2: endY }),
    makeSvg("polygon", { points: `${endX},${endY} ${side(1)} ${side(-1)}` }),
  );
}
