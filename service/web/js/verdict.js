/** The reader's own verdict and comment on a case, and how often they agree with the model. */

import { decide } from "./decide.js";
import { make } from "./dom.js";

/** The decisions of the API, so that both can be compared. */
export const VERDICTS = ["pneumonia", "uncertain", "normal"];

/**
 * @typedef {object} Opinion of the person in front of the page
 * @property {"pneumonia"|"uncertain"|"normal"|null} verdict
 * @property {"pneumonia"|"uncertain"|"normal"|null} unaided the verdict given while the answer was hidden
 * @property {string} comment
 */

/** @returns {Opinion} */
export const noOpinion = () => ({ verdict: null, unaided: null, comment: "" });

/** Whether the model's answer is hidden until the reader has given a verdict. */
export function isHidden(item, { blind }) {
  return blind && item?.answer != null && item.opinion.verdict === null && item.opinion.unaided === null;
}

/** The reader's opinion with another verdict; null takes it back. @returns {Opinion} */
export function withVerdict(item, verdict, page) {
  const unaided = isHidden(item, page) && !item.exposed ? verdict : item.opinion.unaided;
  return { ...item.opinion, verdict, unaided };
}

/**
 * How often reader and model say the same, over the cases that both have judged.
 * @returns {{cases: number, agreed: number, table: Record<string, Record<string, number>>}} table: how
 *   many cases have each verdict of the reader, then of the model
 */
export function countAgreement(items, contract, point) {
  const none = () => Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0]));
  const table = Object.fromEntries(VERDICTS.map((verdict) => [verdict, none()]));
  for (const { answer, opinion } of items) {
    if (answer && opinion.verdict) table[opinion.verdict][decide(answer, contract, point).decision] += 1;
  }
  const cases = VERDICTS.flatMap((verdict) => Object.values(table[verdict])).reduce((sum, count) => sum + count, 0);
  const agreed = VERDICTS.reduce((sum, verdict) => sum + table[verdict][verdict], 0);
  return { cases, agreed, table };
}

/**
 * The part of the card where the reader writes.
 * @param {{setVerdict: Function, setComment: Function, setBlind: Function}} act
 */
export function verdictForm(item, { texts, blind }, act) {
  const { verdict, comment } = item.opinion;
  const choice = (name) => {
    const value = name ?? "none";
    const radio = make("input", { type: "radio", name: "verdict", id: `verdict-${value}`, on: { change: () => act.setVerdict(item, name) } });
    radio.checked = verdict === name;
    return make("label", {}, radio, make("span", {}, texts.say(`verdict.${value}`)));
  };
  const text = make("textarea", {
    id: "comment",
    rows: 2,
    maxlength: 2000,
    on: { input: (event) => act.setComment(item, event.target.value) },
  });
  text.value = comment;
  const box = make("input", { type: "checkbox", id: "blind", on: { change: (event) => act.setBlind(event.target.checked) } });
  box.checked = blind;
  return make(
    "section",
    { class: "opinion" },
    make(
      "fieldset",
      { class: "segments" },
      make("legend", {}, texts.say("verdict.title")),
      ...[...VERDICTS, null].map(choice),
    ),
    make("label", { class: "comment" }, make("span", {}, texts.say("verdict.comment")), text),
    make("label", { class: "check-line small" }, box, make("span", {}, texts.say("verdict.blind"))),
  );
}

/** The same on paper: what was written in the page, else room to write. */
export function verdictOnPaper(item, texts) {
  const { verdict, comment } = item.opinion;
  const boxes = VERDICTS.map((name) =>
    make("span", { class: "box" }, make("i", { "data-checked": verdict === name }, verdict === name ? "×" : ""), texts.say(`verdict.${name}`)),
  );
  return make(
    "section",
    { class: "sheet-opinion" },
    make("h3", {}, texts.say("verdict.title")),
    make("p", {}, ...boxes),
    make("p", { class: "line" }, `${texts.say("verdict.comment")}: `, comment),
    make("p", { class: "line" }, texts.say("verdict.signature")),
  );
}
