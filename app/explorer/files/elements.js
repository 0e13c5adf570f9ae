// Elements of the page. Whatever comes from the server is text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties (`on…`: listeners, else attributes; false and undefined are left out) and children. */
export function make(tag, properties = {}, ...children) {
  return dress(document.createElement(tag), properties, children);
}

export function makeSvg(tag, properties = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), properties, children);
}

function dress(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return element;
}

/** A word of a vocabulary, of any script and direction. */
export function makeWord(word) {
  return make("bdi", {}, word);
}

export function makeButton(label, onclick, properties = {}) {
  return make("button", { type: "button", onclick, ...properties }, label);
}

/** A word to be chosen. */
export function makeChoice(word, choose) {
  return makeButton(makeWord(word), () => choose(word), { class: "word" });
}

/** Names and what they stand for. */
export function makeFacts(facts) {
  return make(
    "dl",
    {},
    facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
  );
}

/** Other children for a place; the field or button in it that had the focus has it again, by its position. */
export function refill(place, ...children) {
  const fields = () => [...place.querySelectorAll("select, button, input")];
  const at = fields().indexOf(document.activeElement);
  place.replaceChildren(...children);
  fields()[at]?.focus();
}

/** A field with its label. */
export function makeField(label, field) {
  return make("label", { class: "field" }, make("span", {}, label), field);
}

export function makeSelect(options, chosen, onchange) {
  const select = make("select", { onchange: () => onchange(select.value) });
  for (const option of options) {
    const [value, label] = Array.isArray(option) ? option : [option, option];
    select.append(make("option", { value, selected: String(value) === String(chosen) }, String(label)));
  }
  return select;
}

const PASSING = new Set([0, 429, 503]); // no answer, too many requests, too much to do

/** What went wrong, with words to `retry` with in place of one that is not known, or a button to ask `again` what may be answered then. */
export function makeProblem(problem, { retry, again } = {}) {
  const line = make("p", { class: "problem", role: "alert" }, problem.message);
  if (problem.retryAfter && !problem.message.includes("again"))
    line.append(` (again in ${problem.retryAfter} s)`);
  if (problem.suggestions?.length && retry) {
    line.append(" — did you mean ");
    problem.suggestions.forEach((word, i) => {
      if (i) line.append(", ");
      line.append(makeChoice(word, retry));
    });
    line.append("?");
  }
  if (again && PASSING.has(problem.status)) {
    line.append(" ", makeButton("Try again", again, { class: "small" }));
  }
  return line;
}

/** What an answer says of how it came about, as sentences. */
export function makeRemarks(answer) {
  const remarks = [];
  if (answer.oov)
    remarks.push("A word is not in the vocabulary; its vector was composed from its character n-grams.");
  for (const [asked, found] of Object.entries(answer.matched || {}))
    remarks.push(`${asked} was read as ${found}.`);
  if (answer.path === "index") {
    remarks.push(
      `Found by an index that finds ${(100 * answer.recall).toFixed(2)} % of the ten nearest; the scores are exact.`,
    );
  }
  return remarks.map((remark) => make("p", { class: "remark" }, remark));
}

/** Words with a bar each, of length 0 to `most`, and what `extra` makes of a word; a click chooses one. */
export function makeBars(results, { value, most = 1, format, choose, highlight, extra }) {
  const list = make("ol", { class: "bars" });
  for (const result of results) {
    const share = Math.max(0, Math.min(1, value(result) / most));
    const bar = make("span", { class: "bar" }, make("span"));
    bar.firstChild.style.width = `${(100 * share).toFixed(1)}%`;
    const entry = make(
      "li",
      {},
      makeChoice(result.word, choose),
      bar,
      make("span", { class: "number" }, format(value(result))),
      extra?.(result.word),
    );
    if (highlight) {
      entry.addEventListener("pointerenter", () => highlight(result.word));
      entry.addEventListener("pointerleave", () => highlight());
    }
    list.append(entry);
  }
  return list;
}

/** The question for a terminal, to be copied. */
export function makeCurl(text) {
  const shown = make("pre", {}, text);
  const button = makeButton("Copy", copy, { class: "small" });
  async function copy() {
    // Without https there is no clipboard: the text is then selected.
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown);
    }
  }
  return make("details", { class: "curl" }, make("summary", {}, "Ask this from a terminal"), shown, button);
}
