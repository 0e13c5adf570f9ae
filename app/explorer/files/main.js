// The page: which view is shown of which model. All of it stands in the address, so that it can be shared and gone back to:
// behind its #, which browsers keep to themselves, since texts are no business of a server's or proxy's log.

import { createAnalogy } from "./analogy.js";
import { createCompare } from "./compare.js";
import { make, makeField, makeProblem, makeSelect } from "./elements.js";
import { createLanguage } from "./language.js";
import { createModels } from "./models.js";
import { Problem, ask, forgetKey, hasKey, keepKey } from "./server.js";
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
  embedding: "There are no word vectors here: ",
  "language-model": "There is no language model here: ",
};

const place = document.getElementById("view");
const choice = document.getElementById("choice");
const keyForm = document.getElementById("key");
let models = [];
let limits = {};
let shown = {}; // the view that stands on the page: what it shows of what
let running = new AbortController();

/** What the address says; the view is one that there is. */
function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const firstKind = models.some(({ kind }) => kind === "embedding") || !models.length ? "similar" : "next";
  const view = Object.hasOwn(VIEWS, parameters.get("view") ?? "") ? parameters.get("view") : firstKind;
  return { view, parameters };
}

/** Changes the address and shows what it says then. `quiet` leaves no step to go back to. */
function go(changes, view, { quiet = false } = {}) {
  const now = readAddress();
  const parameters = view && view !== now.view ? new URLSearchParams() : now.parameters;
  if (view && VIEWS[view].kind === VIEWS[now.view].kind) keep(now.parameters, parameters);
  parameters.set("view", view ?? now.view);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === undefined) parameters.delete(name);
    else parameters.set(name, value);
  }
  const address = `#${parameters}`;
  if (quiet) history.replaceState(null, "", address);
  else if (address !== location.hash) history.pushState(null, "", address);
  show();
}

/** Views of one kind go on with one model. */
function keep(from, to) {
  for (const name of ["model", "version"]) if (from.has(name)) to.set(name, from.get(name));
}

/** The model of a kind that the address names, else the default one, else the first. */
function findModel(kind, name) {
  const ofKind = models.filter((model) => model.kind === kind);
  return ofKind.find((model) => model.name === name) ?? ofKind.find((model) => model.default) ?? ofKind[0];
}

function makeContext(kind, model, version) {
  const named = (fields) => ({ ...fields, ...(kind && { model: model.name, version }) });
  const withModel = async (path, { parameters = {}, body, signal } = {}) => {
    const said = await ask(
      path,
      body ? { body: named(body), signal } : { parameters: named(parameters), signal },
    );
    if (kind && !version && said.version !== findModel(kind, model.name).version)
      list().then(
        () => showChoice(kind, findModel(kind, model.name)),
        () => {},
      );
    return said;
  };
  return { ask: withModel, named, go, fail, limits, words: model?.words };
}

/** Shows a problem as `say` does; a question that was given up is none, and one for a key opens the form for it. */
function fail(problem, say) {
  if (problem.name === "AbortError") return;
  if (!(problem instanceof Problem)) throw problem;
  if (problem.status === 401) demandKey(problem);
  else say(problem);
}

function demandKey(problem) {
  const line = document.getElementById("key-problem");
  line.hidden = !hasKey();
  line.textContent = problem.message;
  forgetKey();
  keyForm.hidden = false;
  place.replaceChildren();
  choice.hidden = true;
  shown = {};
  keyForm.elements[0].focus();
}

function show() {
  const { view, parameters } = readAddress();
  const { kind, create, label } = VIEWS[view];
  showViews(view);
  document.title = `${parameters.get("q") ?? label} – wordkin`;
  running.abort();
  running = new AbortController();
  const model = kind && findModel(kind, parameters.get("model"));
  if (kind && !model) {
    choice.hidden = true;
    shown = {};
    const command = make("code", {}, `python -m trainer ${TRAIN[kind]}`);
    place.replaceChildren(make("p", { class: "remark" }, NONE[kind], command, " publishes some."));
    return;
  }
  const version =
    kind && model.versions.includes(parameters.get("version")) ? parameters.get("version") : undefined;
  showChoice(kind, model, version);
  const key = JSON.stringify([view, model?.name, version]);
  if (shown.key !== key) {
    shown = { key, ...create(makeContext(kind, model, version)) };
    place.replaceChildren(shown.element);
    shown.focus();
  }
  shown.update(parameters, running.signal);
}

function showViews(current) {
  document
    .getElementById("views")
    .replaceChildren(
      ...Object.entries(VIEWS).map(([name, { label }]) =>
        make(
          "button",
          {
            type: "button",
            "aria-current": name === current ? "page" : undefined,
            onclick: () => go({}, name),
          },
          label,
        ),
      ),
    );
}

/** Which model and version answers. */
function showChoice(kind, model, version) {
  choice.hidden = !kind;
  if (!kind) return;
  const names = models.filter((each) => each.kind === kind).map(({ name }) => name);
  const newest = ["", `newest (${model.version})`];
  const versions = [newest, ...model.versions.filter((each) => each !== model.version).toReversed()];
  const size = `${model.words.toLocaleString("en")} words${model.dimensions ? `, ${model.dimensions} dimensions` : ""}`;
  choice.replaceChildren(
    makeField(
      "Model",
      makeSelect(names, model.name, (name) => go({ model: name, version: "" })),
    ),
    ...(versions.length > 1
      ? [
          makeField(
            "Version",
            makeSelect(versions, version ?? "", (each) => go({ model: model.name, version: each })),
          ),
        ]
      : []),
    make("span", { class: "remark" }, size),
    ...model.warnings.map((warning) => make("span", { class: "problem" }, warning)),
  );
}

async function list() {
  ({ models } = await ask("/models"));
}

async function start() {
  try {
    const [info] = await Promise.all([ask("/info"), list()]);
    limits = info.limits;
    keyForm.hidden = true;
    show();
  } catch (problem) {
    fail(problem, (said) => place.replaceChildren(makeProblem(said)));
  }
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(keyForm.elements[0].value.trim());
  start();
});
addEventListener("popstate", show);
start();
