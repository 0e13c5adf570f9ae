// What is served: models, their versions, where they came from, what was measured.

import { make, makeCurl, makeProblem } from "./elements.js";
import { curlOf } from "./server.js";

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
        makeCurl(curlOf("/models")),
      );
    } catch (problem) {
      context.fail(problem, (shown) =>
        element.firstChild.replaceChildren(makeProblem(shown, { again: () => context.go({}) })),
      );
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
    ["Dimensions", model.dimensions],
    ["Tokenizer", model.tokenizer],
    ["From", model.provenance],
    ["Licence", model.license],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make(
    "article",
    { class: "panel" },
    make("h2", {}, model.name, model.default ? make("span", { class: "tag" }, "default") : ""),
    ...model.warnings.map((warning) => make("p", { class: "problem" }, warning)),
    make(
      "dl",
      {},
      facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]),
    ),
    makeDetail(model, context),
    make(
      "p",
      {},
      make(
        "button",
        {
          type: "button",
          onclick: () => context.go({ model: model.name, version: "" }, isEmbedding ? "similar" : "next"),
        },
        "Look into it",
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
        makeFields({ bytes: bytes.toLocaleString("en") }),
        makeFields(recipe),
        makeFields(metrics),
      );
    } catch (problem) {
      context.fail(problem, (shown) => place.replaceChildren(makeProblem(shown)));
    }
  });
  return detail;
}

/** A manifest's fields, whatever they are. */
function makeFields(fields) {
  const show = (value) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  return make(
    "dl",
    {},
    Object.entries(fields).flatMap(([name, value]) => [
      make("dt", {}, name.replaceAll("_", " ")),
      make("dd", {}, show(value)),
    ]),
  );
}
