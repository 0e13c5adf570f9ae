// a is to b as c is to what? With the parallelogram that the answer should close.

import { makeWordField } from "./complete.js";
import { make, makeBars, makeRemarks } from "./elements.js";
import { makeAsk, showMap } from "./similar.js";

const PARTS = [
  ["a", "a"],
  ["b", "is to b"],
  ["c", "as c"],
];

const TOP = 10;
const DRAWN = 5;

export function createAnalogy(context) {
  const fields = PARTS.map(([name, label]) =>
    makeWordField(context, { label, onenter: () => onenter(name) }),
  );
  const inputs = Object.fromEntries(PARTS.map(([name], i) => [name, fields[i].input]));
  const answer = make("div");
  const row = make(
    "div",
    { class: "row analogy" },
    fields.map(({ element }) => element),
    make("span", { class: "what" }, "is to … ?"),
    makeAsk(send),
  );
  const element = make("section", {}, row, answer);

  function read() {
    return Object.fromEntries(PARTS.map(([name]) => [name, inputs[name].value.trim()]));
  }

  function send() {
    context.go(read());
  }

  function onenter(name) {
    const empty = PARTS.map(([each]) => inputs[each]).find((input) => !input.value.trim());
    if (empty) {
      empty.focus();
      return;
    }
    send();
    inputs[name].focus();
  }

  async function update(parameters, signal) {
    const [a, b, c] = PARTS.map(([name]) => parameters.get(name) ?? "");
    [a, b, c].forEach((word, i) => {
      fields[i].input.value = word;
      fields[i].close();
    });
    if (!a || !b || !c) {
      answer.replaceChildren(
        make(
          "p",
          { class: "remark" },
          "Vectors answer b − a + c: what leads from a to b, begun at c. Try king, man, queen.",
        ),
      );
      return;
    }
    const question = { body: { a, b, c, top: Math.min(TOP, context.limits.max_top) } };
    try {
      const said = await context.ask("/analogy", { ...question, signal });
      const best = said.results[0]?.word;
      const map = make("div", { class: "map-place" });
      let highlight = () => {};
      const choose = (word) => context.go({ q: word }, "similar");
      const bars = makeBars(said.results, {
        value: ({ score }) => score,
        format: (score) => score.toFixed(3),
        choose,
        highlight: (word) => highlight(word),
      });
      const sentence = make(
        "p",
        { class: "sentence" },
        `${a} is to ${b} as ${c} is to `,
        make("strong", {}, best ?? "nothing here"),
        ".",
      );
      context.announce(sentence.textContent);
      answer.replaceChildren(
        ...makeRemarks(said),
        sentence,
        make("div", { class: "split" }, bars, map),
        context.makeCurl("/analogy", question),
      );
      const arrows = [[a, b]];
      if (best) arrows.push([c, best]);
      const found = said.results.slice(0, DRAWN);
      showMap(map, { asked: [a, b, c], found, arrows, choose, context, signal }).then(
        (lit) => (highlight = lit),
      );
    } catch (problem) {
      context.fail(problem, answer, {
        retry(shown) {
          const wrong = PARTS.map(([name]) => name).filter((name) => shown.concerns(parameters.get(name)));
          return wrong.length === 1 && ((word) => context.go({ [wrong[0]]: word }));
        },
      });
    }
  }

  return { element, update, read, focus: () => inputs.a.focus() };
}
