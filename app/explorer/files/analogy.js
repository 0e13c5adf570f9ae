// a is to b as c is to what? With the parallelogram that the answer should close.

import { makeWordField } from "./complete.js";
import { make, makeBars, makeCurl, makeProblem, makeRemarks } from "./elements.js";
import { curlOf } from "./server.js";
import { askButton, showMap } from "./similar.js";

const PARTS = [
  ["a", "a"],
  ["b", "is to b"],
  ["c", "as c"],
];

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
    askButton(send),
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
    const question = [
      "/analogy",
      { body: context.named({ a, b, c, top: Math.min(10, context.limits.max_top) }) },
    ];
    try {
      const said = await context.ask(question[0], { ...question[1], signal });
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
        make("strong", {}, said.results[0]?.word ?? "nothing here"),
        ".",
      );
      context.announce(sentence.textContent);
      answer.replaceChildren(
        ...makeRemarks(said),
        sentence,
        make("div", { class: "split" }, bars, map),
        makeCurl(curlOf(...question)),
      );
      const best = said.results[0]?.word;
      const arrows = best
        ? [
            [a, b],
            [c, best],
          ]
        : [[a, b]];
      const found = said.results.slice(0, 5);
      showMap(map, { asked: [a, b, c], found, arrows, choose, context, signal }).then(
        (lit) => (highlight = lit),
      );
    } catch (problem) {
      context.fail(problem, (shown) => {
        const wrong = PARTS.map(([name]) => name).filter(
          (name) =>
            shown.oov.includes(parameters.get(name)) ||
            shown.oov.includes(parameters.get(name).toLowerCase()),
        );
        const retry = wrong.length === 1 ? (word) => context.go({ [wrong[0]]: word }) : undefined;
        answer.replaceChildren(makeProblem(shown, { retry, again: () => context.go({}) }));
      });
    }
  }

  return { element, update, read, focus: () => inputs.a.focus() };
}
