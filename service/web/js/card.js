/** The answer for one case, in words. */

import { canRetry, isOpen } from "./cases.js";
import { decide } from "./decide.js";
import { icon, make } from "./dom.js";
import { classBars, gauge } from "./gauge.js";

/**
 * @param {import("./cases.js").Case} item
 * @param {{texts: import("./texts.js").Texts, contract: object, point: string}} page
 * @param {Record<"cancel"|"retry"|"remove", (item: object) => void>} act
 * @returns {Node[]}
 */
export function cardParts(item, page, act) {
  const { texts } = page;
  const title = make("h2", { class: "card-title", id: "card-title" }, item.name);
  const buttons = make("div", { class: "row card-actions" });
  const button = (name, key, click) =>
    buttons.append(make("button", { type: "button", class: "compact", on: { click: () => click(item) } }, icon(name), texts.say(key)));
  if (isOpen(item)) button("close", "case.cancel", act.cancel);
  if (canRetry(item)) button("retry", "case.retry", act.retry);
  if (!isOpen(item)) button("remove", "case.remove", act.remove);
  if (item.answer) return [title, ...answerParts(item, page), details(item, texts), buttons];
  if (item.problem) return [title, ...problemParts(item.problem, texts), buttons];
  return [title, openPart(item, texts), buttons];
}

/** The answer itself: used by the card and by the printed sheet. */
export function answerParts(item, { texts, contract, point: pointName }) {
  const { answer } = item;
  const { decision, subtype, point } = decide(answer, contract, pointName);
  return [
    make(
      "div",
      { class: "verdict", "data-decision": decision },
      icon(decision),
      make(
        "div",
        {},
        make("p", { class: "verdict-word" }, texts.say(`decision.${decision}`)),
        make("p", { class: "verdict-more" }, verdictMore(answer, decision, subtype, contract, texts)),
      ),
    ),
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
    meaning(point, texts),
    make(
      "section",
      {},
      make("h3", {}, texts.say("card.kinds")),
      classBars(answer.probabilities, contract.labels, texts),
    ),
    inputCheck(answer.input_check, texts),
    ...warnings(answer.warnings, texts),
  ];
}

function verdictMore(answer, decision, subtype, contract, texts) {
  if (decision === "uncertain") return texts.say("decision.uncertain.more");
  if (!subtype) return texts.say(`decision.${decision}.more`);
  const share = answer.probabilities[subtype] / answer.probability;
  const rest = contract.pneumonia_labels.filter((label) => label !== subtype);
  const key = share < 0.6 ? "subtype.either" : "subtype.likelier";
  return texts.say(key, {
    subtype: texts.name("label_mid", subtype),
    others: rest.map((label) => texts.name("label_mid", label)).join(", "),
  });
}

function meaning(point, texts) {
  const rates = {
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
    make(
      "p",
      { class: "small" },
      texts.say("meaning.intervals", rates),
      " ",
      texts.say("meaning.data"),
      " ",
      make("span", { lang: "en" }, point.data),
    ),
  );
}

function inputCheck({ accepted, distance, limit }, texts) {
  const key = accepted === null ? "check.none" : accepted ? "check.accepted" : "check.refused";
  const figures = { distance: texts.number(distance ?? 0, 2), limit: texts.number(limit ?? 0, 2) };
  return make(
    "p",
    { class: "check", "data-accepted": accepted },
    icon(accepted === null ? "note" : accepted ? "check" : "failed"),
    make("span", {}, texts.say(key, figures)),
  );
}

function warnings(list, texts) {
  if (!list.length) return [];
  const lines = list.map(({ code, detail }) =>
    make("li", {}, icon("failed"), texts.has(`warning.${code}`) ? make("span", {}, texts.say(`warning.${code}`)) : make("span", { lang: "en" }, detail)),
  );
  return [make("section", {}, make("h3", {}, texts.say("card.warnings")), make("ul", { class: "warnings" }, ...lines))];
}

/** What went wrong and what to do about it. */
export function problemParts(problem, texts) {
  const code = texts.known("problem", problem.code);
  const said = problem.detail && make("p", { class: "small" }, texts.say("problem.said"), " ", make("q", { lang: "en" }, problem.detail));
  const figures =
    problem.distance !== null &&
    problem.limit !== null &&
    make("p", { class: "small" }, texts.say("problem.distance", { distance: texts.number(problem.distance, 2), limit: texts.number(problem.limit, 2) }));
  const id = problem.requestId && make("p", { class: "small" }, texts.say("detail.request_id"), ": ", make("code", {}, problem.requestId));
  return [
    make(
      "div",
      { class: "verdict", "data-decision": "failed" },
      icon("failed"),
      make(
        "div",
        {},
        make("p", { class: "verdict-word" }, texts.say(`problem.${code}`)),
        make("p", { class: "verdict-more" }, texts.say(`problem.${code}.do`)),
      ),
    ),
    ...[figures, said, id].filter(Boolean),
  ];
}

function openPart(item, texts) {
  return make(
    "div",
    { class: "verdict", "data-decision": "open" },
    icon(item.state === "reading" ? "film" : "waiting"),
    make(
      "div",
      {},
      make("p", { class: "verdict-word" }, texts.say(`state.${item.state}`)),
      make("p", { class: "verdict-more" }, texts.say(`state.${item.state}.more`)),
    ),
  );
}

function details(item, texts) {
  const { answer } = item;
  const { image, model, timings_ms: timings } = answer;
  const rows = [
    ["detail.image", `${image.format}, ${image.width} × ${image.height}, ${image.bit_depth} bit`],
    ["detail.model", `${model.name} ${model.version}`],
    ["detail.sha256", make("code", {}, model.sha256.slice(0, 16))],
    ["detail.time", `${texts.number(timings.total)} ms`],
    ["detail.request_id", make("code", {}, answer.request_id)],
  ];
  const list = rows.flatMap(([key, value]) => [make("dt", {}, texts.say(key)), make("dd", {}, value)]);
  return make("details", {}, make("summary", {}, texts.say("card.details")), make("dl", { class: "facts" }, ...list));
}
