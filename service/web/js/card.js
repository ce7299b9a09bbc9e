/** The card of the selected case: its answer or problem, and what can be done. */

import { canRetry, isOpen } from "./cases.js";
import { decide } from "./decide.js";
import { icon, make } from "./dom.js";
import { exampleNote } from "./examples.js";
import { classBars, gauge } from "./gauge.js";
import { distances, english, facts, verdict } from "./components.js";
import { headerPanel } from "./header-panel.js";
import { meaning, prevalencePart } from "./meaning.js";
import { problemParts } from "./problem.js";
import { isHidden, verdictForm } from "./verdict.js";

/**
 * @param {import("./cases.js").Case} item
 * @param {{texts: import("./texts.js").Texts, contract: object, point: string, blind: boolean, prevalence: number|null}} page
 * @param {Record<"cancel"|"retry"|"remove", (item: object) => void>} act and what verdictForm and prevalencePart need
 * @returns {Node[]}
 */
export function cardParts(item, page, act) {
  const { texts } = page;
  const title = make("h2", { class: "card-title", id: "card-title" }, item.name);
  const button = (name, key, click) =>
    make("button", { type: "button", class: "compact", on: { click: () => click(item) } }, icon(name), texts.say(key));
  const buttons = make(
    "div",
    { class: "row card-actions" },
    isOpen(item) && button("close", "case.cancel", act.cancel),
    canRetry(item) && button("retry", "case.retry", act.retry),
    !isOpen(item) && button("remove", "case.remove", act.remove),
  );
  const form = () => verdictForm(item, page, act);
  if (isHidden(item, page)) {
    return [title, verdict("open", "film", texts.say("verdict.first"), texts.say("verdict.first.more")), form(), headerPanel(item, texts), buttons];
  }
  if (item.answer) {
    return [title, exampleNote(item, texts), ...answerParts(item, page, act.setPrevalence), form(), headerPanel(item, texts), details(item, page), buttons];
  }
  if (item.problem) {
    const [words, said] = problemParts(item.problem, texts);
    return [title, exampleNote(item, texts), words, buttons, said, form(), headerPanel(item, texts)];
  }
  return [title, openPart(item, texts), buttons];
}

/**
 * The answer itself, for the card and for the printed sheet.
 * @param {((prevalence: number|null) => void)|null} choosePrevalence null: on paper
 */
export function answerParts(item, page, choosePrevalence) {
  const { texts, contract, point: pointName } = page;
  const { answer } = item;
  const reading = decide(answer, contract, pointName);
  const { look, point } = reading;
  return [
    verdict(look, look, texts.say(`decision.${look}`), verdictMore(reading, contract, texts)),
    ...warnings(answer.warnings, texts),
    make(
      "section",
      { class: "probability" },
      make(
        "h3",
        {},
        make("span", {}, texts.say("card.probability")),
        make("span", { class: "figure" }, texts.percent(answer.probability)),
      ),
      gauge(answer.probability, look, point, texts),
    ),
    make(
      "section",
      {},
      make("h3", {}, texts.say("card.classes")),
      classBars(answer.probabilities, contract.labels, texts),
    ),
    meaning(answer, point, contract, texts),
    prevalencePart(answer, reading, page, choosePrevalence),
    inputCheck(answer.input_check, texts),
    evidenceOutside(answer, look, texts),
  ];
}

function verdictMore({ look, subtype, isClose }, contract, texts) {
  if (!subtype && !isClose) return texts.say(`decision.${look}.more`);
  const first = subtype ?? contract.pneumonia_labels[0];
  const rest = contract.pneumonia_labels.filter((label) => label !== first);
  return texts.say(subtype ? "subtype.likelier" : "subtype.either", {
    subtype: texts.name("label_mid", first),
    others: rest.map((label) => texts.name("label_mid", label)).join(", "),
  });
}

function inputCheck({ accepted, distance, limit }, texts) {
  const key = accepted === null ? "check.none" : accepted ? "check.accepted" : "check.refused";
  return make(
    "p",
    { class: "check", "data-accepted": accepted },
    icon(accepted === null ? "note" : accepted ? "check" : "failed"),
    make("span", {}, texts.say(key, distances(distance, limit, texts))),
  );
}

/** How much of the evidence lies outside the lungs, where the model looks for them. */
function evidenceOutside({ lungs }, look, texts) {
  if (look === "normal" || lungs?.evidence_outside == null) return false;
  return make("p", { class: "check" }, icon("note"), make("span", {}, texts.say("lungs.outside", { share: texts.share(lungs.evidence_outside) })));
}

function warnings(list, texts) {
  if (!list.length) return [];
  const lines = list.map(({ code, detail }) =>
    make("li", {}, icon("failed"), texts.has(`warning.${code}`) ? make("span", {}, texts.say(`warning.${code}`)) : english(detail)),
  );
  return [make("section", {}, make("h3", {}, texts.say("card.warnings")), make("ul", { class: "warnings" }, ...lines))];
}

function openPart(item, texts) {
  const glyph = item.state === "reading" ? "film" : "waiting";
  return verdict("open", glyph, texts.say(`state.${item.state}`), texts.say(`state.${item.state}.more`));
}

function details(item, { texts, contract, point: pointName }) {
  const { point } = decide(item.answer, contract, pointName);
  const { image, model, timings_ms: timings, request_id: id } = item.answer;
  const rows = [
    ["detail.image", `${image.format}, ${image.width} × ${image.height}, ${image.bit_depth} bit`],
    ["detail.model", `${model.name} ${model.version}`],
    ["detail.sha256", make("code", {}, model.sha256.slice(0, 16))],
    ["model.data", english(point.data)],
    ["detail.time", `${texts.number(timings.total)} ms`],
    ["detail.request_id", make("code", {}, id)],
  ];
  return make("details", { class: "answer-details" }, make("summary", {}, texts.say("card.details")), facts(rows, texts));
}
