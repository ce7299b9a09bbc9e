/** The card of the selected case: its answer or problem, and what can be done. */

import { canRetry, isOpen } from "./cases.js";
import { decide } from "./decide.js";
import { icon, make } from "./dom.js";
import { classBars, gauge } from "./gauge.js";
import { distances, english, facts, verdict } from "./components.js";
import { problemParts } from "./problem.js";

/**
 * @param {import("./cases.js").Case} item
 * @param {{texts: import("./texts.js").Texts, contract: object, point: string}} page
 * @param {Record<"cancel"|"retry"|"remove", (item: object) => void>} act
 * @returns {Node[]}
 */
export function cardParts(item, page, act) {
  const { texts, contract, point } = page;
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
  if (item.answer) return [title, ...answerParts(item, page), details(item, decide(item.answer, contract, point).point, texts), buttons];
  if (item.problem) {
    const [words, said] = problemParts(item.problem, texts);
    return [title, words, buttons, said];
  }
  return [title, openPart(item, texts), buttons];
}

/** The answer itself, for the card and for the printed sheet. */
export function answerParts(item, { texts, contract, point: pointName }) {
  const { answer } = item;
  const reading = decide(answer, contract, pointName);
  const { decision, point } = reading;
  return [
    verdict(decision, decision, texts.say(`decision.${decision}`), verdictMore(reading, contract, texts)),
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
      gauge(answer.probability, decision, point, texts),
    ),
    make(
      "section",
      {},
      make("h3", {}, texts.say("card.classes")),
      classBars(answer.probabilities, contract.labels, texts),
    ),
    meaning(point, contract, texts),
    inputCheck(answer.input_check, texts),
  ];
}

function verdictMore({ decision, subtype, likeliest }, contract, texts) {
  if (!likeliest) return texts.say(`decision.${decision}.more`);
  const rest = contract.pneumonia_labels.filter((label) => label !== likeliest);
  return texts.say(subtype ? "subtype.likelier" : "subtype.either", {
    subtype: texts.name("label_mid", likeliest),
    others: rest.map((label) => texts.name("label_mid", label)).join(", "),
  });
}

function meaning(point, contract, texts) {
  const ages = contract.population_age_years;
  const rates = {
    who: texts.say(ages && ages[1] < 18 ? "who.children" : "who.patients"),
    found: texts.ofHundred(point.sensitivity.value),
    found_low: texts.ofHundred(point.sensitivity.low),
    found_high: texts.ofHundred(point.sensitivity.high),
    cleared: texts.ofHundred(point.specificity.value),
    cleared_low: texts.ofHundred(point.specificity.low),
    cleared_high: texts.ofHundred(point.specificity.high),
  };
  return make(
    "section",
    { class: "meaning" },
    make("h3", {}, texts.say("card.meaning", { point: texts.name("point", point.name) })),
    make("p", {}, texts.say("meaning.found", rates), " ", texts.say("meaning.cleared", rates)),
    make("p", { class: "small" }, texts.say("meaning.intervals", rates)),
  );
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

function details(item, point, texts) {
  const { image, model, timings_ms: timings, request_id: id } = item.answer;
  const rows = [
    ["detail.image", `${image.format}, ${image.width} × ${image.height}, ${image.bit_depth} bit`],
    ["detail.model", `${model.name} ${model.version}`],
    ["detail.sha256", make("code", {}, model.sha256.slice(0, 16))],
    ["model.data", english(point.data)],
    ["detail.time", `${texts.number(timings.total)} ms`],
    ["detail.request_id", make("code", {}, id)],
  ];
  return make("details", {}, make("summary", {}, texts.say("card.details")), facts(rows, texts));
}
