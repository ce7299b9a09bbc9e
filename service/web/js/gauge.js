/** Probabilities as bars. */

import { make } from "./dom.js";

/** The probability of pneumonia against the threshold and the uncertain band. */
export function gauge(probability, decision, point, texts) {
  const { threshold, uncertain_low: low, uncertain_high: high } = point;
  const hasBand = low !== null && high > low;
  const words = { probability: texts.percent(probability), threshold: texts.percent(threshold) };
  const label = hasBand
    ? texts.say("gauge.label_band", { ...words, low: texts.percent(low), high: texts.percent(high) })
    : texts.say("gauge.label", words);
  const fill = make("div", { class: "gauge-fill", "data-decision": decision });
  fill.style.width = share(probability);
  const mark = make("div", { class: "gauge-mark" });
  mark.style.left = share(threshold);
  const track = make("div", { class: "gauge-track" }, fill);
  const scale = make("div", { class: "gauge-scale", role: "img", "aria-label": label }, track);
  if (hasBand) {
    const band = make("div", { class: "gauge-band" });
    band.style.left = share(low);
    band.style.width = share(high - low);
    scale.append(band);
  }
  scale.append(mark);
  const caption = make("span", {}, texts.say("gauge.threshold", words));
  const key = make("div", { class: "gauge-key", "aria-hidden": "true" }, make("i", { class: "key-mark" }), caption);
  if (hasBand) {
    key.append(
      make("i", { class: "key-band" }),
      make("span", {}, texts.say("gauge.band", { low: texts.percent(low), high: texts.percent(high) })),
    );
  }
  return make("div", { class: "gauge" }, scale, key);
}

/** A thin bar beside a figure, hidden from screen readers, which read the figure. */
export function bar(fraction) {
  const fill = make("div", { class: "bar-fill" });
  fill.style.width = share(fraction);
  return make("div", { class: "bar", "aria-hidden": "true" }, fill);
}

/** One short bar per label. */
export function classBars(probabilities, labels, texts) {
  const rows = labels.flatMap((label) => [
    make("dt", {}, texts.name("label", label)),
    make("dd", {}, bar(probabilities[label]), make("span", {}, texts.percent(probabilities[label]))),
  ]);
  return make("dl", { class: "bars" }, ...rows);
}

function share(fraction) {
  return `${(fraction * 100).toFixed(2)}%`;
}
