// The page: which view is shown of which model. All of it stands in the address, so that it can be shared and gone back to:
// behind its #, which browsers keep to themselves, since texts are no business of a server's or proxy's log.

import { createAnalogy } from "./analogy.js";
import { createCompare } from "./compare.js";
import { make, makeButton, makeCurl, makeField, makeProblem, makeSelect, refill } from "./elements.js";
import { createLanguage } from "./language.js";
import { createModels } from "./models.js";
import { Problem, ask, curlOf, hasKey, keepKey } from "./server.js";
import { createSimilar } from "./similar.js";

const VIEWS = {
  similar: { label: "Words", kind: "embedding", create: createSimilar },
  analogy: { label: "Analogy", kind: "embedding", create: createAnalogy },
  compare: { label: "Compare", kind: "embedding", create: createCompare },
  next: { label: "Next word", kind: "language-model", create: createLanguage },
  models: { label: "Models", kind: null, create: createModels },
};
const TRAIN = { embedding: "train cbow", "language-model": "train rnnlm" };
const NONE = {
  embedding: "There are no word vectors here:",
  "language-model": "There is no language model here:",
};

const place = document.getElementById("view");
const choice = document.getElementById("choice");
const status = document.getElementById("status");
const keyForm = document.getElementById("key");
const keyProblem = document.getElementById("key-problem");
let models = [];
let limits = {};
let ready = false; // whether the server has said what there is
let shown = {}; // the view that stands on the page: what it shows of what
let running = new AbortController();
const lastOf = {}; // by kind: the model and version that the address named last

/** What the address says; the view is one that there is. */
function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const firstKind = models.some(({ kind }) => kind === "embedding") || !models.length ? "similar" : "next";
  const view = Object.hasOwn(VIEWS, parameters.get("view") ?? "") ? parameters.get("view") : firstKind;
  const named = { model: parameters.get("model") ?? "", version: parameters.get("version") ?? "" };
  return { view, kind: VIEWS[view].kind, parameters, named };
}

/** Changes the address, and with it what is written in the view's fields, and shows that. `quiet` leaves no step to go back to. */
function go(changes, view, { quiet = false } = {}) {
  const now = readAddress();
  const leaves = view !== undefined && view !== now.view;
  const parameters = leaves ? new URLSearchParams() : now.parameters;
  parameters.set("view", view ?? now.view);
  const before = leaves ? lastOf[VIEWS[view].kind] : shown.read?.();
  for (const [name, value] of Object.entries({ ...before, ...changes })) {
    if (value === "" || value === undefined) parameters.delete(name);
    else parameters.set(name, value);
  }
  const address = `#${parameters}`;
  if (quiet) history.replaceState(null, "", address);
  else if (address !== location.hash) history.pushState(null, "", address);
  if (leaves || changes.q !== undefined) scrollTo(0, 0);
  show({ quiet });
}

/** The model of a kind by this name, else the default one, else the first. */
function findModel(kind, name) {
  const ofKind = models.filter((model) => model.kind === kind);
  return ofKind.find((model) => model.name === name) ?? ofKind.find((model) => model.default) ?? ofKind[0];
}

/** What the address names that is not served, or not known of yet; empty where all is. */
function findMissing({ kind, named }) {
  if (!kind) return "";
  const model = findModel(kind, named.model);
  if (!model) return NONE[kind];
  if (named.model && model.name !== named.model)
    return `There is no ${named.model} here; this is ${model.name}.`;
  if (!named.version || model.versions.includes(named.version)) return "";
  return `There is no version ${named.version} of ${model.name} here; this is ${model.version}.`;
}

function makeContext(kind, model, version) {
  const named = kind && { model: model.name, version };
  /** A question, parameters or a body, to the model of this view. */
  const name = ({ parameters, body }) =>
    body ? { body: { ...body, ...named } } : { parameters: { ...parameters, ...named } };
  return {
    async ask(path, question = {}) {
      const said = await ask(path, { ...name(question), signal: question.signal }).catch((problem) => {
        if (kind && problem.status === 404 && !problem.oov.length) noticeVersion(); // the model or version is gone
        throw problem;
      });
      if (kind && !version && said.version !== findModel(kind, model.name)?.version) noticeVersion();
      return said;
    },
    makeCurl: (path, question = {}) => makeCurl(curlOf(path, name(question))),
    learn: (listed) => (models = listed),
    announce: (text) => (status.textContent = text),
    go,
    /** Shows a problem in a place; `retry` makes of a problem what is done with a word in place of one that is not known. */
    fail(problem, place, { retry, again = () => go({}) } = {}) {
      fail(problem, (said) => place.replaceChildren(makeProblem(said, { retry: retry?.(said), again })));
    },
    limits,
    words: model?.words,
  };
}

/** What is served may have changed. */
async function noticeVersion() {
  try {
    await list();
  } catch {
    return; // the next answer will tell again
  }
  const address = readAddress();
  if (ready && address.kind && findModel(address.kind, address.named.model)) showChoice(address);
}

/** Shows a problem as `say` does; a question that was given up is none, and one for a key opens the form for it. */
function fail(problem, say) {
  if (problem.name === "AbortError") return;
  if (!(problem instanceof Problem)) throw problem;
  if (problem.status === 401) demandKey(hasKey() ? problem.message : "");
  else say(problem);
}

function demandKey(why) {
  ready = false;
  running.abort();
  keyProblem.hidden = !why;
  keyProblem.textContent = why;
  keyForm.reset();
  keepKey("");
  keyForm.hidden = false;
  place.replaceChildren();
  place.removeAttribute("aria-busy");
  choice.hidden = true;
  shown = {};
  keyForm.elements[0].focus();
}

async function show({ quiet = false } = {}) {
  if (!ready) return;
  running.abort();
  running = new AbortController();
  const { signal } = running;
  if (!quiet && findMissing(readAddress())) {
    // It may have been published since.
    await list().catch((problem) => fail(problem, () => {}));
    if (signal.aborted) return;
  }
  const address = readAddress();
  const { view, kind, parameters, named } = address;
  showViews(view);
  document.title = `${parameters.get("q") ?? VIEWS[view].label} – wordkin`;
  const model = kind && findModel(kind, named.model);
  if (kind && !model) {
    choice.hidden = true;
    shown = {};
    const command = make("code", {}, `python -m trainer ${TRAIN[kind]}`);
    place.replaceChildren(make("p", { class: "remark" }, `${NONE[kind]} `, command, " publishes some."));
    return;
  }
  const version = showChoice(address);
  if (kind) lastOf[kind] = named;
  const key = JSON.stringify([view, model?.name, version]);
  if (shown.key !== key) {
    shown = { key, ...VIEWS[view].create(makeContext(kind, model, version)) };
    place.replaceChildren(shown.element);
    if (!choice.contains(document.activeElement)) shown.focus();
  }
  const within = place.contains(document.activeElement);
  place.setAttribute("aria-busy", "true");
  await shown.update(parameters, signal);
  if (signal.aborted) return;
  place.removeAttribute("aria-busy");
  // What had the focus may be gone with the answer before; the field would open a telephone's keyboard.
  if (within && document.activeElement === document.body) place.focus({ preventScroll: true });
}

function showViews(current) {
  refill(
    document.getElementById("views"),
    ...Object.entries(VIEWS).map(([name, { label }]) =>
      makeButton(label, () => go({}, name), { "aria-current": name === current ? "page" : undefined }),
    ),
  );
}

/** Which model and version answers; returns the version, where one is asked for. */
function showChoice(address) {
  const { kind, named } = address;
  choice.hidden = !kind;
  if (!kind) return undefined;
  const model = findModel(kind, named.model);
  const version = model.versions.includes(named.version) ? named.version : undefined;
  const missing = findMissing(address);
  const names = models.filter((each) => each.kind === kind).map(({ name }) => name);
  const newest = ["", `${model.pinned ? "pinned" : "newest"} (${model.version})`];
  const versions = [newest, ...model.versions.filter((each) => each !== model.version).toReversed()];
  const size = `${model.words.toLocaleString("en")} words${model.dimensions ? `, ${model.dimensions} dimensions` : ""}`;
  refill(
    choice,
    makeField(
      "Model",
      makeSelect(names, model.name, (name) => go({ model: name, version: "" })),
    ),
    versions.length > 1
      ? makeField(
          "Version",
          makeSelect(versions, version ?? "", (each) => go({ model: model.name, version: each })),
        )
      : "",
    make("span", { class: "remark" }, size),
    missing ? make("span", { class: "problem" }, missing) : "",
    ...model.warnings.map((warning) => make("span", { class: "problem" }, warning)),
  );
  return version;
}

async function list() {
  ({ models } = await ask("/models"));
}

async function start() {
  try {
    ({ limits } = await ask("/info"));
    await list();
    ready = true;
    keyForm.hidden = true;
    show();
  } catch (problem) {
    fail(problem, (said) => place.replaceChildren(makeProblem(said), makeButton("Try again", start)));
  }
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const key = keyForm.elements[0].value.trim();
  // No header can carry other characters.
  if (!/^[\x21-\x7e]+$/u.test(key)) {
    demandKey("a key has only letters, digits and signs of ASCII");
    return;
  }
  keepKey(key);
  start();
});
addEventListener("popstate", () => show());
document.addEventListener("visibilitychange", () => {
  if (ready && document.visibilityState === "visible") noticeVersion();
});
start();
