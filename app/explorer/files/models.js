// What is served: models, their versions, where they came from, what was measured.

import { make, makeButton, makeFacts } from "./elements.js";

export function createModels(context) {
  const element = make("section", {}, make("div"));

  async function update(_, signal) {
    try {
      const { models, faults } = await context.ask("/models", { signal });
      context.learn(models);
      element.firstChild.replaceChildren(
        ...faults.map((fault) =>
          make(
            "p",
            { class: "problem" },
            `${fault.model}${fault.version ? `@${fault.version}` : ""} cannot be served: ${fault.detail}`,
          ),
        ),
        ...models.map((model) => makeModel(model, context)),
        context.makeCurl("/models"),
      );
    } catch (problem) {
      context.fail(problem, element.firstChild);
    }
  }

  return { element, update, focus: () => {} };
}

function makeModel(model, context) {
  const isEmbedding = model.kind === "embedding";
  const facts = [
    ["Kind", isEmbedding ? "word vectors" : "language model"],
    ["Served", model.version + (model.pinned ? " (pinned)" : "")],
    [
      "Other versions",
      model.versions
        .filter((each) => each !== model.version)
        .toReversed()
        .join(", "),
    ],
    ["Words", model.words.toLocaleString("en")],
    ["Dimensions", model.dimensions ?? ""],
    ["Tokenizer", model.tokenizer],
    ["From", model.provenance],
    ["Licence", model.license],
  ].filter(([, value]) => value !== "");
  return make(
    "article",
    { class: "panel" },
    make("h2", {}, model.name, model.default ? make("span", { class: "tag" }, "default") : ""),
    ...model.warnings.map((warning) => make("p", { class: "problem" }, warning)),
    makeFacts(facts),
    makeDetail(model, context),
    make(
      "p",
      {},
      makeButton("Look into it", () =>
        context.go({ model: model.name, version: "" }, isEmbedding ? "similar" : "next"),
      ),
    ),
  );
}

/** How a model was trained and what was measured, asked when it is opened. */
function makeDetail(model, context) {
  const place = make("div");
  const detail = make("details", {}, make("summary", {}, "How it was trained, what was measured"), place);
  detail.addEventListener("toggle", async () => {
    if (!detail.open) return;
    try {
      const { recipe, metrics, bytes } = await context.ask(`/models/${model.name}`);
      place.replaceChildren(
        makeFacts([["bytes", bytes.toLocaleString("en")]]),
        makeFacts(readFields(recipe)),
        makeFacts(readFields(metrics)),
      );
    } catch (problem) {
      context.fail(problem, place, { again: null }); // to open it once more asks again
    }
  });
  return detail;
}

/** A manifest's fields, whatever they are. */
function readFields(fields) {
  const show = (value) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  return Object.entries(fields).map(([name, value]) => [name.replaceAll("_", " "), show(value)]);
}
