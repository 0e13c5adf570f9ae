// The words nearest to a word, or to a sum and difference of words, and a map of them.

import { makeWordField } from "./complete.js";
import { drawPlane } from "./drawing.js";
import {
  make,
  makeBars,
  makeButton,
  makeChoice,
  makeField,
  makeRemarks,
  makeSelect,
  refill,
} from "./elements.js";
import { principalPlane } from "./plane.js";
import { askVectors } from "./server.js";

const TOPS = [10, 20, 50, 100];
const DEFAULT_TOP = 20;
const METHODS = [
  ["3cosadd", "sum of unit vectors (3CosAdd)"],
  ["3cosmul", "product of cosines (3CosMul)"],
];
const RANGES = [
  ["", "all words"],
  [10000, "the first 10,000"],
  [30000, "the first 30,000"],
  [100000, "the first 100,000"],
];
const SIGN = /((?:^|\s)[+−-](?=\s))/u;
const FIRST_WORDS = 400;
const SHOWN_FIRST = 14;

/**
 * "king - man + woman" as what to go towards and away from. A sign stands between spaces; where no word is before it, or at the
 * beginning where none is behind it, it is a word itself. (Words with such signs or spaces at their ends cannot be asked.)
 */
export function readSum(text) {
  const sum = { positive: [], negative: [] };
  const parts = text.trim().split(SIGN);
  let list = sum.positive;
  let complete = parts[0].trim() !== "" || (parts[2] ?? "").trim() !== "";
  parts.forEach((part, i) => {
    if (i % 2 && complete) {
      list = part.trim() === "+" ? sum.positive : sum.negative;
      complete = false;
    } else if (part.trim()) {
      list.push(part.trim());
      complete = true;
    }
  });
  return sum;
}

/** Where the word stands that the caret is in. */
export function findTerm(text, caret) {
  const last = [...text.slice(0, caret).matchAll(new RegExp(SIGN, "gu"))].at(-1);
  let start = last ? last.index + last[0].length : 0;
  while (start < caret && /\s/u.test(text[start])) start++;
  const next = text.slice(caret).search(/\s[+−-]\s/u);
  return [start, next < 0 ? text.length : caret + next];
}

export function createSimilar(context) {
  const query = makeWordField(context, {
    label: "Words near",
    span: findTerm,
    onenter: (text) => context.go({ q: text.trim() }),
    placeholder: "a word, or a sum: king - man + woman",
  });
  const tops = TOPS.filter((top) => top <= context.limits.max_top);
  const choices = make("div", { class: "row choices" });
  const answer = make("div");
  const element = make(
    "section",
    {},
    make(
      "div",
      { class: "row" },
      query.element,
      makeAsk(() => context.go(read())),
    ),
    choices,
    answer,
  );

  function read() {
    return { q: query.input.value.trim() };
  }

  async function update(parameters, signal) {
    const q = parameters.get("q") ?? "";
    query.input.value = q;
    query.close();
    const top = Number(parameters.get("top")) || Math.min(DEFAULT_TOP, context.limits.max_top);
    const method = parameters.get("method") ?? METHODS[0][0];
    const among = parameters.get("among") ?? "";
    const offered = [...new Set([...tops, top])].sort((a, b) => a - b);
    refill(
      choices,
      makeField(
        "Show",
        makeSelect(offered, top, (value) => context.go({ top: value })),
      ),
      makeField(
        "Among",
        makeSelect(
          RANGES.filter(([most]) => most === "" || most < context.words),
          among,
          (value) => context.go({ among: value }),
        ),
      ),
      makeField(
        "By",
        makeSelect(METHODS, method, (value) => context.go({ method: value === METHODS[0][0] ? "" : value })),
      ),
    );
    if (!q) {
      answer.replaceChildren(await makeStart(context, signal));
      return;
    }
    const sum = readSum(q);
    const plain = sum.positive.length === 1 && !sum.negative.length && !among && method === METHODS[0][0];
    const question = plain
      ? { parameters: { word: sum.positive[0], top } }
      : { body: { ...sum, top, method, restrict_vocab: among ? Number(among) : undefined } };
    try {
      const said = await context.ask("/similar", { ...question, signal });
      const map = make("div", { class: "map-place" });
      let highlight = () => {};
      const choose = (word) => context.go({ q: word });
      const bars = makeBars(said.results, {
        value: ({ score }) => score,
        most: method === METHODS[0][0] ? 1 : Math.max(...said.results.map(({ score }) => score)),
        format: (score) => score.toFixed(3),
        choose,
        highlight: (word) => highlight(word),
        extra: (word) => makeSigns(word, (sign) => context.go({ q: `${read().q} ${sign} ${word}` })),
      });
      if (!said.results.length) bars.append(make("li", { class: "remark" }, "There are no others."));
      const nearest = said.results[0]?.word ?? "nothing";
      context.announce(`${said.results.length} words near ${q}, the nearest: ${nearest}`);
      answer.replaceChildren(
        ...makeRemarks(said),
        make("div", { class: "split" }, bars, map),
        context.makeCurl("/similar", question),
      );
      const asked = [...sum.positive, ...sum.negative];
      showMap(map, { asked, found: said.results, choose, context, signal }).then((lit) => (highlight = lit));
    } catch (problem) {
      context.fail(problem, answer, {
        retry: (shown) =>
          shown.oov.length === 1 && ((word) => context.go({ q: replaceTerm(q, shown, word) })),
      });
    }
  }

  return { element, update, read, focus: () => query.input.focus() };
}

/** A question with a word in place of the one that a problem is about. */
function replaceTerm(text, problem, word) {
  return text
    .split(SIGN)
    .map((part) => (problem.concerns(part.trim()) ? part.replace(part.trim(), () => word) : part))
    .join("");
}

export function makeAsk(onclick) {
  return makeButton("Ask", onclick, { class: "primary" });
}

/** Draws words and what was found for them; returns what lights up a word. */
export async function showMap(place, { asked, found, arrows = [], choose, context, signal }) {
  const words = [...new Set([...asked, ...found.map(({ word }) => word)])].slice(0, context.limits.max_words);
  if (words.length < 3) return () => {};
  try {
    const { points, share } = principalPlane(await askVectors(context, words, signal));
    const entries = words.map((word, i) => ({
      word,
      point: points[i],
      role: asked.includes(word) ? "asked" : "found",
    }));
    const pairs = arrows.map((pair) => pair.map((word) => words.indexOf(word)));
    const drawing = drawPlane(entries, { width: place.clientWidth, share, choose, arrows: pairs });
    place.replaceChildren(drawing.element);
    return drawing.highlight;
  } catch (problem) {
    context.fail(problem, place);
    return () => {};
  }
}

/** Buttons that add a word to the question, or take it away from there. */
function makeSigns(word, add) {
  const sign = (symbol, shown, label) =>
    makeButton(shown, () => add(symbol), { class: "small", "aria-label": label, title: label });
  return make(
    "span",
    { class: "signs" },
    sign("+", "+", `towards ${word}`),
    sign("-", "−", `away from ${word}`),
  );
}

/** Some frequent words of this vocabulary to begin with. */
async function makeStart(context, signal) {
  const start = make("div", { class: "start" });
  try {
    const top = Math.min(FIRST_WORDS, context.limits.max_top);
    const { results } = await context.ask("/words", { parameters: { top }, signal });
    const longer = results.filter(({ word }) => [...word].length > 3 || /\P{ASCII}/u.test(word));
    const drawn = longer
      .map(({ word }) => [Math.random(), word])
      .sort(([a], [b]) => a - b)
      .slice(0, SHOWN_FIRST);
    start.append(make("p", {}, "Some of its frequent words:"));
    start.append(
      make(
        "p",
        { class: "words-in-line" },
        drawn.map(([, word]) => makeChoice(word, () => context.go({ q: word }))),
      ),
    );
  } catch (problem) {
    context.fail(problem, start);
  }
  return start;
}
