// How alike some words are, or some texts: every pair, and the one that does not match.

import { make, makeChoice, makeField, makeRemarks, makeSelect, makeWord, refill } from "./elements.js";
import { makeAsk, showMap } from "./similar.js";

const MOST = 40;
const MODES = [
  ["words", "words"],
  ["texts", "texts, one a line"],
];

/** What to compare: lines where there are several, else what stands between commas or white space. */
function readList(text, mode) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const parts =
    mode === "texts" || lines.length > 1 ? lines : (lines[0] ?? "").split(/[\s,]+/u).filter(Boolean);
  return [...new Set(parts)];
}

export function createCompare(context) {
  const input = make("textarea", {
    rows: 3,
    dir: "auto",
    spellcheck: "false",
    placeholder: "car truck bus king",
  });
  const choices = make("div", { class: "row choices" });
  const answer = make("div");
  const read = () => ({ words: input.value.trim() });
  const send = () => context.go(read());
  const element = make(
    "section",
    {},
    make("div", { class: "row" }, makeField("Compare", input), makeAsk(send)),
    choices,
    answer,
  );
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });

  async function update(parameters, signal) {
    const text = parameters.get("words") ?? "";
    const mode = parameters.get("mode") ?? "words";
    input.value = text;
    refill(
      choices,
      makeField(
        "These are",
        makeSelect(MODES, mode, (value) => context.go({ mode: value === "words" ? "" : value })),
      ),
    );
    const parts = readList(text, mode);
    if (parts.length < 2) {
      answer.replaceChildren(
        make(
          "p",
          { class: "remark" },
          "Two or more: cosines of all pairs, the one that does not match, and a map.",
        ),
      );
      return;
    }
    const most = mode === "texts" ? context.limits.max_texts : context.limits.max_words;
    const shown = parts.slice(0, Math.min(MOST, most));
    const question = { body: { mode, a: shown, b: shown } };
    try {
      const said = await context.ask("/similarity", { ...question, signal });
      const above = makeRemarks(said);
      if (shown.length < parts.length)
        above.push(make("p", { class: "remark" }, `The first ${shown.length} are shown.`));
      if (mode === "words" && shown.length > 2) above.push(await makeOdd(shown, context, signal));
      const choose = (word) => context.go({ q: word }, "similar");
      const map = make("div", { class: "map-place" });
      context.announce(`Cosines of ${shown.length} ${mode}`);
      answer.replaceChildren(
        ...above,
        makeTable(shown, said.scores, mode, choose),
        map,
        context.makeCurl("/similarity", question),
      );
      if (mode === "words") showMap(map, { asked: shown, found: [], choose, context, signal });
    } catch (problem) {
      const replace = (said, word) => parts.map((each) => (said.concerns(each) ? word : each)).join("\n");
      context.fail(problem, answer, {
        retry: (said) => said.oov.length === 1 && ((word) => context.go({ words: replace(said, word) })),
      });
    }
  }

  return { element, update, read, focus: () => input.focus() };
}

async function makeOdd(words, context, signal) {
  const { word } = await context.ask("/doesnt-match", { body: { words }, signal });
  return make("p", { class: "sentence" }, make("strong", {}, makeWord(word)), " does not match the others.");
}

/** Cosines of all pairs, coloured by size. */
function makeTable(names, scores, mode, choose) {
  const head = make(
    "tr",
    {},
    make("td"),
    names.map((name) => make("th", { scope: "col" }, makeWord(name))),
  );
  const rows = names.map((name, i) => {
    const cells = scores[i].map((score) => {
      const cell = make("td", { class: "number" }, score === null ? "—" : score.toFixed(2));
      if (score !== null) cell.style.setProperty("--strength", Math.max(-1, Math.min(1, score)).toFixed(3));
      cell.classList.add(score < 0 ? "apart" : "alike");
      return cell;
    });
    const label = mode === "words" ? makeChoice(name, choose) : makeWord(name);
    return make("tr", {}, make("th", { scope: "row" }, label), cells);
  });
  return make(
    "div",
    { class: "wide" },
    make("table", { class: `matrix ${mode}` }, make("thead", {}, head), make("tbody", {}, rows)),
  );
}
