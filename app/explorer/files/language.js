// The next word: what is likely after a text, how probable a text is, and how it may go on.

import { make, makeBars, makeCurl, makeField, makeProblem, makeWord } from "./elements.js";
import { curlOf } from "./server.js";

const WAIT_MS = 200;
const TOP = 12;
const chosen = { words: 20, temperature: 0.8, seed: "" }; // how to go on, whatever view is shown meanwhile

/** Spaces at the end say nothing; a line's end does. */
function cut(text) {
  return text.replace(/[^\S\n]+$/u, "");
}

/** A text in two: what is whole, and the beginning of a word at its end. */
export function splitText(text) {
  const prefix = text.match(/\S*$/u)[0];
  return [text.slice(0, text.length - prefix.length), prefix];
}

export function createLanguage(context) {
  const input = make("textarea", {
    rows: 4,
    dir: "auto",
    spellcheck: "false",
    placeholder: "the beginning of a sentence",
  });
  const mixture = make("input", { type: "checkbox", checked: true });
  const length = make("input", {
    type: "number",
    min: 1,
    max: context.limits.max_words,
    value: Math.min(chosen.words, context.limits.max_words),
    oninput: () => (chosen.words = length.value),
    required: true,
  });
  const temperature = make("input", {
    type: "number",
    min: 0,
    max: 100,
    step: "any",
    value: chosen.temperature,
    required: true,
    oninput: () => (chosen.temperature = temperature.value),
  });
  const seed = make("input", {
    type: "number",
    min: 0,
    step: 1,
    placeholder: "any",
    value: chosen.seed,
    oninput: () => (chosen.seed = seed.value),
  });
  const next = make("div");
  const more = make("div");
  const button = (label, onclick) => make("button", { type: "button", onclick }, label);
  const element = make(
    "section",
    {},
    makeField("Text", input),
    make(
      "div",
      { class: "row choices" },
      make("label", { class: "check" }, mixture, " with n-grams and the words said lately"),
    ),
    next,
    make(
      "div",
      { class: "row choices" },
      button("How probable is this text?", score),
      button("Go on", generate),
      makeField("words", length),
      makeField("temperature", temperature),
      makeField("seed", seed),
    ),
    more,
  );
  let timer;
  let asking = new AbortController();
  let looked = ""; // what the answer below was, or is being, asked about
  const read = () => ({ text: input.value });
  const state = () => JSON.stringify([cut(input.value), mixture.checked]);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    forget();
    timer = setTimeout(() => element.isConnected && context.go(read(), undefined, { quiet: true }), WAIT_MS);
  });
  mixture.addEventListener("change", () => context.go({ mixture: mixture.checked ? "" : "no" }));

  /** An answer about another text, come or not, is none. */
  function forget() {
    if (looked === state()) return;
    asking.abort();
    more.replaceChildren();
    looked = "";
  }

  async function update(parameters, signal) {
    const text = parameters.get("text") ?? "";
    if (input.value !== text) input.value = text;
    mixture.checked = parameters.get("mixture") !== "no";
    clearTimeout(timer);
    forget();
    const [whole, prefix] = splitText(text);
    const isShort = prefix && [...prefix].length <= context.limits.max_word_characters;
    const asked = { mixture: mixture.checked, top: Math.min(TOP, context.limits.max_top) };
    const question = ["/next", { body: context.named({ text: cut(text), ...asked }) }];
    const begun = ["/next", { body: context.named({ text: cut(whole), prefix, ...asked }) }];
    try {
      const [said, completed] = await Promise.all([
        context.ask(question[0], { ...question[1], signal }),
        isShort && context.ask(begun[0], { ...begun[1], signal }),
      ]);
      const isAtLine = !cut(text) || cut(text).endsWith("\n");
      const following = makeWords(
        isAtLine ? ["At the beginning of a line"] : ["After this text"],
        said,
        isAtLine ? text : `${cut(text)} `,
      );
      const completing =
        completed && makeWords(["Words that begin with ", makeWord(prefix)], completed, whole);
      context.announce(`The likeliest next word: ${said.results[0]?.word ?? "none"}`);
      next.replaceChildren(
        make("div", { class: completing ? "split halves" : "" }, following, completing || undefined),
        ...makeUnknown(said.unknown),
        makeCurl(curlOf(...question)),
      );
    } catch (problem) {
      context.fail(problem, (shown) =>
        next.replaceChildren(makeProblem(shown, { again: () => context.go({}) })),
      );
    }
  }

  /** The words of an answer; a click puts one behind `before`. */
  function makeWords(title, { results, remaining }, before) {
    const bars = makeBars(results, {
      value: ({ probability }) => probability,
      most: Math.max(Number.MIN_VALUE, ...results.map(({ probability }) => probability)),
      format: showProbability,
      choose: (word) => {
        context.go({ text: `${before}${word} ` });
        input.focus();
      },
    });
    return make(
      "div",
      {},
      make("h2", {}, title),
      results.length ? bars : make("p", { class: "remark" }, "No word of the vocabulary."),
      make("p", { class: "remark" }, `All other words together: ${showProbability(remaining)}`),
    );
  }

  /** Asks about the text as it stands, and forgets what was asked before. */
  async function look(path, body, show) {
    asking.abort();
    asking = new AbortController();
    looked = state();
    const question = [
      path,
      { body: context.named({ text: cut(input.value), mixture: mixture.checked, ...body }) },
    ];
    try {
      more.replaceChildren(
        ...show(await context.ask(path, { ...question[1], signal: asking.signal })),
        makeCurl(curlOf(...question)),
      );
    } catch (problem) {
      const again = () => look(path, body, show);
      context.fail(problem, (shown) => more.replaceChildren(makeProblem(shown, { again })));
    }
  }

  function score() {
    return look("/score", {}, (said) => [
      make("p", { class: "scored", dir: "auto" }, said.tokens.flatMap(showToken)),
      make(
        "p",
        { class: "sentence" },
        "Perplexity ",
        make("strong", {}, said.perplexity.toPrecision(4)),
        ": as if each word had been drawn from so many. The paler a word, the likelier it was.",
      ),
      ...makeUnknown(said.unknown),
    ]);
  }

  function generate() {
    if (![length, temperature, seed].every((field) => field.reportValidity())) return undefined;
    const before = cut(input.value);
    const body = {
      max_tokens: Number(length.value),
      temperature: Number(temperature.value),
      seed: seed.value === "" ? undefined : Number(seed.value),
    };
    return look("/generate", body, (said) => {
      const joint = before && !before.endsWith("\n") ? " " : "";
      return [
        make("p", { class: "generated", dir: "auto" }, before, joint, make("mark", {}, said.text)),
        make(
          "p",
          { class: "remark" },
          `seed ${said.seed} `,
          make(
            "button",
            {
              type: "button",
              class: "small",
              onclick: () => context.go({ text: `${before}${joint}${said.text} ` }),
            },
            "Keep it",
          ),
          " ",
          make("button", { type: "button", class: "small", onclick: generate }, "Another"),
        ),
      ];
    });
  }

  return { element, update, read, focus: () => input.focus() };
}

function showProbability(probability) {
  const percent = 100 * probability;
  return `${percent >= 0.1 || percent === 0 ? percent.toFixed(1) : percent.toPrecision(1)} %`;
}

/** A word of a scored text; the less likely it was, the stronger its colour. */
function showToken({ token, log_probability: log }) {
  if (log === null) return [make("span", { class: "token", title: "not in the vocabulary" }, token), " "];
  const shown = make(
    "span",
    { class: "token", title: `${showProbability(Math.exp(log))} (ln p = ${log.toFixed(2)})` },
    makeWord(token),
  );
  shown.style.setProperty("--strength", Math.min(1, -log / 12).toFixed(3));
  return [shown, " "];
}

function makeUnknown(words) {
  return words.length
    ? [make("p", { class: "remark" }, `Not in the vocabulary: ${words.join(", ")}; <unk> stood for them.`)]
    : [];
}
