// Completion of words from the vocabulary, as the W3C's pattern for an editable combobox has it.

import { make, makeWord } from "./elements.js";

const WAIT_MS = 120;
const MOST = 8;
const CARET = new Set(["ArrowLeft", "ArrowRight", "Home", "End"]);
let count = 0;

/** The word that an option offers. */
function readWord(option) {
  return option.firstChild.textContent;
}

/**
 * A text field that completes words. `span(text, caret)` tells [start, end] of the word that the caret is in (all of the text
 * unless given), `onenter(text)` is called when the text is meant.
 */
export function makeWordField(context, { label, span = (text) => [0, text.length], onenter, placeholder }) {
  const id = `words-${++count}`;
  const list = make("ul", {
    class: "completions",
    role: "listbox",
    id,
    "aria-label": `Words for: ${label}`,
    hidden: true,
  });
  const input = make("input", {
    id: `${id}-field`,
    type: "text",
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-controls": id,
    "aria-expanded": "false",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    dir: "auto",
    placeholder,
  });
  let chosen = -1;
  let timer;
  let asking = new AbortController();

  function close() {
    clearTimeout(timer);
    asking.abort();
    fill([]);
  }

  /** Offers these and marks none. */
  function fill(options) {
    list.replaceChildren(...options);
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    unmark();
  }

  /** The beginning of the word that the caret is in. */
  function readPrefix() {
    return input.value.slice(...span(input.value, input.selectionStart));
  }

  function unmark() {
    chosen = -1;
    for (const each of list.children) each.setAttribute("aria-selected", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function take(word) {
    const [start, end] = span(input.value, input.selectionStart);
    input.value = input.value.slice(0, start) + word + input.value.slice(end);
    input.setSelectionRange(start + word.length, start + word.length);
    close();
  }

  function mark(index) {
    chosen = (index + list.children.length) % list.children.length;
    [...list.children].forEach((each, i) => each.setAttribute("aria-selected", String(i === chosen)));
    input.setAttribute("aria-activedescendant", list.children[chosen].id);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  }

  async function offer() {
    const prefix = readPrefix();
    if (!prefix) return close();
    asking.abort();
    asking = new AbortController();
    let results;
    try {
      ({ results } = await context.ask("/words", {
        parameters: { prefix, top: MOST },
        signal: asking.signal,
      }));
    } catch (problem) {
      // A completion that fails is none; what is asked in earnest says what is wrong.
      return problem.name === "AbortError" ? undefined : close();
    }
    if (document.activeElement !== input) return;
    fill(
      results.map(({ word, count: times }, i) =>
        make(
          "li",
          {
            role: "option",
            id: `${id}-${i}`,
            "aria-selected": "false",
            onmousedown: (event) => event.preventDefault(), // the field keeps the focus
            onclick: () => pick(word),
          },
          makeWord(word),
          make("span", { class: "number" }, times === null ? "" : times.toLocaleString("en")),
        ),
      ),
    );
  }

  function pick(word) {
    take(word);
    onenter(input.value);
  }

  /** Leaves none of what was offered for a text that went on otherwise. */
  function sift() {
    const written = readPrefix().toLowerCase();
    fill([...list.children].filter((each) => readWord(each).toLowerCase().startsWith(written)));
  }

  input.addEventListener("input", () => {
    sift();
    clearTimeout(timer);
    timer = setTimeout(offer, WAIT_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("click", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (open && event.key === "ArrowDown") mark(chosen + 1);
    else if (open && event.key === "ArrowUp") mark(chosen < 0 ? -1 : chosen - 1);
    else if (open && event.key === "Escape") close();
    else if (open && CARET.has(event.key)) {
      close(); // what is offered belongs to where the caret was
      return;
    } else if (event.key === "Enter") {
      if (chosen >= 0) take(readWord(list.children[chosen]));
      close();
      onenter(input.value);
    } else return;
    event.preventDefault();
  });
  const name = make("label", { for: input.id }, label);
  const element = make(
    "div",
    { class: "field words" },
    name,
    make("span", { class: "combobox" }, input, list),
  );
  return { element, input, close };
}
