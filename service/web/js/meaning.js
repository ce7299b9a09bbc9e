/** What an answer means in numbers of patients: at its operating point, and at another prevalence. */

import { english } from "./components.js";
import { make } from "./dom.js";
import { adjust } from "./prevalence.js";

/** Whether the model's measured figures hold for the patient. */
export const figuresHold = (answer) => !answer.warnings.some(({ code }) => code === "outside_training_population");

/** What was measured of the operating point. */
export function meaning(answer, point, contract, texts) {
  const title = make("h3", {}, texts.say("card.meaning", { point: texts.name("point", point.name) }));
  if (!figuresHold(answer)) return make("section", { class: "meaning" }, title, make("p", {}, texts.say("meaning.none")));
  const ages = contract.population_age_years;
  const band = point.uncertain;
  const { sensitivity, specificity } = band ?? point;
  const words = {
    who: texts.say(ages && ages[1] < 18 ? "who.children" : "who.patients"),
    ...rate("found", sensitivity, texts),
    ...rate("cleared", specificity, texts),
    ...(band && { ...rate("positive", band.pneumonia, texts), ...rate("negative", band.normal, texts) }),
  };
  const say = (...keys) => make("p", {}, keys.map((key) => texts.say(key, words)).join(" "));
  const unmeasured = !band && point.uncertain_low !== null;
  return make(
    "section",
    { class: "meaning" },
    title,
    band && say("meaning.band"),
    unmeasured && say("meaning.threshold_alone"),
    band ? say("meaning.outside_band") : say("meaning.found", "meaning.cleared"),
    make("p", { class: "small" }, texts.say("meaning.intervals", words)),
    make("p", { class: "small" }, ...(contract.site ? [texts.say("meaning.site"), " ", english(contract.site)] : [texts.say("meaning.no_site")])),
  );
}

function rate(name, { value, low, high }, texts) {
  const figures = { [name]: value, [`${name}_low`]: low, [`${name}_high`]: high };
  return Object.fromEntries(Object.entries(figures).map(([key, share]) => [key, texts.ofHundred(share)]));
}

/**
 * What the answer means at the prevalence that the reader gives.
 * @param {{contract: object, prevalence: number|null, texts: object}} page
 * @param {((prevalence: number|null) => void)|null} choose null: on paper, where nothing is chosen
 * @returns {HTMLElement|false} false: the model does not say for which prevalence it is calibrated
 */
export function prevalencePart(answer, reading, { contract, prevalence, texts }, choose) {
  const before = contract.calibration_prevalence;
  if (!before || (!choose && prevalence === null)) return false;
  const ofHundred = (share) => texts.ofHundred(share);
  const words = [texts.say("prevalence.calibrated", { share: ofHundred(before) })];
  if (prevalence !== null) {
    const { probability, positive, negative } = adjust(answer.probability, reading.point, contract, prevalence);
    words.unshift(texts.say("prevalence.adjusted", { share: texts.number(prevalence * 100, 1), probability: texts.percent(probability) }));
    if (figuresHold(answer) && positive !== null && negative !== null) {
      const above = texts.say(reading.point.purpose === "screening" ? "decision.screening" : "decision.pneumonia");
      const values = { above, positive: ofHundred(positive), below: texts.say("decision.normal"), negative: ofHundred(negative) };
      words.splice(1, 0, texts.say("prevalence.predictive", values));
    }
  }
  return make(
    "section",
    { class: "prevalence" },
    make("h3", {}, texts.say("prevalence.title")),
    choose && field(prevalence, texts, choose),
    ...words.map((sentence, place) => make("p", { class: place === words.length - 1 ? "small" : null }, sentence)),
  );
}

function field(prevalence, texts, choose) {
  const input = make("input", {
    type: "number",
    id: "prevalence",
    min: 0.1,
    max: 99.9,
    step: 0.1,
    inputmode: "decimal",
    on: { change: () => input.validity.valid && choose(input.value ? Number(input.value) / 100 : null) },
  });
  input.value = prevalence === null ? "" : String(Number((prevalence * 100).toFixed(1)));
  return make("label", { class: "field" }, make("span", {}, texts.say("prevalence.field")), input);
}
