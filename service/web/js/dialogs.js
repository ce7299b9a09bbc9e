/** The windows over the page: the model's card, the keys, the question for an API key. */

import { find, iconButton, make } from "./dom.js";
import { SHORTCUTS } from "./shortcuts.js";

function fill(dialog, title, texts, ...parts) {
  const close = iconButton("close", texts.say("close"), { on: { click: () => dialog.close() } });
  dialog.replaceChildren(
    make("div", { class: "dialog-head" }, make("h2", { id: `${dialog.id}-title` }, title), close),
    make("div", { class: "dialog-body", tabindex: "0", role: "group", "aria-labelledby": `${dialog.id}-title` }, ...parts),
  );
}

/** Everything the model file promises, and what nobody should expect of it. */
export function openModelCard(description, texts) {
  const dialog = find("model-dialog");
  const { contract, sha256 } = description;
  const fact = (key, value, lang) => [make("dt", {}, texts.say(key)), make("dd", { lang }, value)];
  const date = new Intl.DateTimeFormat(texts.language, { dateStyle: "long" }).format(new Date(contract.created));
  const limits = ["device", "population", "labels", "evidence", "calibration", "alone"];
  fill(
    dialog,
    texts.say("model.title"),
    texts,
    make("h3", {}, texts.say("model.limits")),
    make("ul", { class: "limits" }, ...limits.map((name) => make("li", {}, texts.say(`limit.${name}`)))),
    make("h3", {}, texts.say("model.what")),
    make(
      "dl",
      { class: "facts" },
      ...fact("model.name", `${contract.name} ${contract.version}`),
      ...fact("model.created", date),
      ...fact("model.population", contract.population, "en"),
      ...fact("model.training", contract.training_data, "en"),
      ...fact("model.labels", contract.labels.map((label) => texts.name("label", label)).join(", ")),
      ...fact("model.input", `${contract.input.width} × ${contract.input.height}`),
      ...fact("model.limit", contract.input_check_limit === null ? texts.say("check.none") : texts.number(contract.input_check_limit, 3)),
      ...fact("detail.sha256", make("code", {}, sha256)),
    ),
    make("h3", {}, texts.say("model.points")),
    ...contract.operating_points.map((point) => pointCard(point, texts)),
    ...figures("model.metrics", contract.metrics, texts),
    ...figures("model.parity", contract.parity, texts),
    make("p", {}, make("a", { href: "docs" }, texts.say("model.docs"))),
  );
  dialog.showModal();
}

function pointCard(point, texts) {
  const rate = ({ value, low, high }) => `${texts.percent(value)} (${texts.percent(low)} – ${texts.percent(high)})`;
  const rows = [
    ["model.threshold", texts.percent(point.threshold)],
    ["model.sensitivity", rate(point.sensitivity)],
    ["model.specificity", rate(point.specificity)],
    ["model.rule", make("span", { lang: "en" }, point.rule)],
    ["model.data", make("span", { lang: "en" }, point.data)],
  ];
  if (point.uncertain_low !== null) {
    rows.splice(1, 0, ["model.band", `${texts.percent(point.uncertain_low)} – ${texts.percent(point.uncertain_high)}`]);
  }
  return make(
    "section",
    { class: "point-card" },
    make("h4", {}, texts.name("point", point.name)),
    make("dl", { class: "facts" }, ...rows.flatMap(([key, value]) => [make("dt", {}, texts.say(key)), make("dd", {}, value)])),
  );
}

function figures(title, values, texts) {
  const entries = Object.entries(values);
  if (!entries.length) return [];
  const rows = entries.flatMap(([name, value]) => [
    make("dt", { lang: "en" }, name.replaceAll("_", " ")),
    make("dd", {}, new Intl.NumberFormat(texts.language, { maximumSignificantDigits: 4 }).format(value)),
  ]);
  return [make("h3", {}, texts.say(title)), make("dl", { class: "facts figures" }, ...rows)];
}

/** The keys, and the switch that turns the single ones off (WCAG 2.1.4). */
export function openKeys(shortcuts, texts) {
  const dialog = find("keys-dialog");
  const rows = Object.entries(SHORTCUTS).map(([name, keys]) =>
    make(
      "tr",
      {},
      make("td", { class: "keys" }, ...keys.map((key) => make("kbd", {}, texts.has(`key.${key}`) ? texts.say(`key.${key}`) : key))),
      make("td", {}, texts.say(`shortcut.${name}`)),
    ),
  );
  const toggle = make("input", { type: "checkbox", on: { change: (event) => (shortcuts.on = event.target.checked) } });
  toggle.checked = shortcuts.on;
  fill(
    dialog,
    texts.say("keys.title"),
    texts,
    make("label", { class: "check-line" }, toggle, texts.say("keys.single")),
    make("table", { class: "key-table" }, make("tbody", {}, ...rows)),
    make("p", { class: "small" }, texts.say("keys.mouse")),
  );
  dialog.showModal();
}

/**
 * Ask for an API key. It is kept in memory only.
 * @returns {Promise<string|null>} null: the reader has none
 */
export function askForKey(wrong, texts) {
  const dialog = find("access-dialog");
  const input = make("input", { type: "password", id: "access-key", autocomplete: "off", required: true });
  return new Promise((resolve) => {
    let key = null;
    const submit = (event) => {
      event.preventDefault();
      key = input.value.trim() || null;
      if (key) dialog.close();
    };
    fill(
      dialog,
      texts.say("access.title"),
      texts,
      make(
        "form",
        { on: { submit } },
        make("p", { role: wrong ? "alert" : null }, texts.say(wrong ? "access.wrong" : "access.why")),
        make("label", { for: "access-key" }, texts.say("access.key")),
        input,
        make("p", { class: "row" }, make("button", { class: "primary" }, texts.say("access.use"))),
      ),
    );
    dialog.addEventListener("close", () => resolve(key), { once: true });
    dialog.showModal();
    input.focus();
  });
}
