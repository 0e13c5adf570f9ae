// The next word: what is likely after a text, how probable a text is, and how it may go on.

import { make, makeBars, makeButton, makeField, makeWord } from "./elements.js";

const WAIT_MS = 200;
const TOP = 12;
const chosen = { words: 20, temperature: 0.8, seed: "" }; // how to go on, whatever view is shown meanwhile

/** Spaces at the end say nothing; a line's end does. */
function cut(text) {
  return text.replace(/[^\S\n]+$/u, "");
}

/** A text that is cut, with what belongs between it and the next word. */
function open(text) {
  return beginsLine(text) ? text : `${text} `;
}

function beginsLine(text) {
  return !text || text.endsWith("\n");
}

/** A text in two: what is whole, and the beginning of a word at its end. */
function splitText(text) {
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
  const most = context.limits.max_words;
  const length = makeNumber("words", {
    min: 1,
    max: most,
    value: Math.min(chosen.words, most),
    required: true,
  });
  const temperature = makeNumber("temperature", { min: 0, max: 100, step: "any", required: true });
  const seed = makeNumber("seed", { min: 0, step: 1, placeholder: "any" });
  const next = make("div");
  const more = make("div");
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
      makeButton("How probable is this text?", score),
      makeButton("Go on", generate),
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
    const before = cut(text);
    const question = { body: { text: before, ...asked } };
    const begun = { body: { text: cut(whole), prefix, ...asked } };
    try {
      const [said, completed] = await Promise.all([
        context.ask("/next", { ...question, signal }),
        isShort && context.ask("/next", { ...begun, signal }),
      ]);
      const title = beginsLine(before) ? "At the beginning of a line" : "After this text";
      const following = makeWords([title], said, open(before));
      const completing =
        completed && makeWords(["Words that begin with ", makeWord(prefix)], completed, whole);
      context.announce(`The likeliest next word: ${said.results[0]?.word ?? "none"}`);
      next.replaceChildren(
        make("div", { class: completing ? "split halves" : "" }, following, completing || undefined),
        ...makeUnknown(said.unknown),
        context.makeCurl("/next", question),
      );
    } catch (problem) {
      context.fail(problem, next);
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
    const question = { body: { text: cut(input.value), mixture: mixture.checked, ...body } };
    try {
      more.replaceChildren(
        ...show(await context.ask(path, { ...question, signal: asking.signal })),
        context.makeCurl(path, question),
      );
    } catch (problem) {
      context.fail(problem, more, { again: () => look(path, body, show) });
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
    const before = open(cut(input.value));
    const body = {
      max_tokens: Number(length.value),
      temperature: Number(temperature.value),
      seed: seed.value === "" ? undefined : Number(seed.value),
    };
    return look("/generate", body, (said) => [
      make("p", { class: "generated", dir: "auto" }, before, make("mark", {}, said.text)),
      make(
        "p",
        { class: "remark" },
        `seed ${said.seed} `,
        makeButton("Keep it", () => context.go({ text: `${before}${said.text} ` }), { class: "small" }),
        " ",
        makeButton("Another", generate, { class: "small" }),
      ),
    ]);
  }

  return { element, update, read, focus: () => input.focus() };
}

/** A field for a number that is kept in `chosen`. */
function makeNumber(name, properties) {
  const keep = (event) => (chosen[name] = event.target.value);
  return make("input", { type: "number", value: chosen[name], oninput: keep, ...properties });
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
