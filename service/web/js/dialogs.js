/** The dialogs: the model card, the keyboard shortcuts, the prompt for an API key. */

import { find, iconButton, make } from "./dom.js";
import { english, facts } from "./components.js";
import { SHORTCUTS } from "./shortcuts.js";

function fill(dialog, title, texts, ...parts) {
  const close = iconButton("close", texts.say("close"), { on: { click: () => dialog.close() } });
  dialog.replaceChildren(
    make("div", { class: "dialog-head" }, make("h2", { id: `${dialog.id}-title` }, title), close),
    make("div", { class: "dialog-body", tabindex: "0", role: "group", "aria-labelledby": `${dialog.id}-title` }, ...parts),
  );
}

/** The model's contract and its limits. */
export function openModelCard(description, texts) {
  const dialog = find("model-dialog");
  const { contract, sha256 } = description;
  const subtype = contract.subtype_rule;
  const date = new Intl.DateTimeFormat(texts.language, { dateStyle: "long" }).format(new Date(contract.created));
  const limits = ["device", "population", "labels", "evidence", "calibration", "alone", "report"];
  fill(
    dialog,
    texts.say("model.title"),
    texts,
    make("h3", {}, texts.say("model.limits")),
    make("ul", { class: "limits" }, ...limits.map((name) => make("li", {}, texts.say(`limit.${name}`)))),
    make("h3", {}, texts.say("model.what")),
    facts(
      [
        ["model.name", `${contract.name} ${contract.version}`],
        ["model.created", date],
        contract.population.trim() && ["model.population", english(contract.population)],
        contract.training_data.trim() && ["model.training", english(contract.training_data)],
        ["model.site", contract.site ? english(contract.site) : texts.say("meaning.no_site")],
        ["model.labels", contract.labels.map((label) => texts.name("label", label)).join(", ")],
        ["model.input", `${contract.input.width} × ${contract.input.height}`],
        contract.calibration_prevalence && ["model.prevalence", texts.share(contract.calibration_prevalence)],
        subtype.correct && ["model.subtype", texts.say("model.subtype.rule", { named: texts.percent(subtype.named.value), correct: texts.percent(subtype.correct.value) })],
        ["model.limit", contract.input_check_limit === null ? texts.say("check.none") : texts.fixed(contract.input_check_limit, 2)],
        ["detail.sha256", make("code", {}, sha256)],
      ].filter(Boolean),
      texts,
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
    ["model.rule", english(point.rule)],
    ["model.data", english(point.data)],
  ];
  if (point.uncertain_low !== null) {
    rows.splice(1, 0, ["model.band", `${texts.percent(point.uncertain_low)} – ${texts.percent(point.uncertain_high)}`]);
  }
  return make(
    "section",
    { class: "point-card" },
    make("h4", {}, texts.name("point", point.name)),
    facts(rows, texts),
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

/** The keyboard shortcuts, and the switch that turns single-letter ones off (WCAG 2.1.4). */
export function openShortcuts(shortcuts, texts) {
  const dialog = find("shortcuts-dialog");
  const groups = Object.entries(SHORTCUTS).map(([group, keys]) =>
    make("section", {}, make("h3", {}, texts.say(`shortcuts.${group}`)), make("dl", { class: "shortcuts" }, ...keyRows(keys, texts))),
  );
  const toggle = make("input", { type: "checkbox", on: { change: (event) => (shortcuts.on = event.target.checked) } });
  toggle.checked = shortcuts.on;
  fill(
    dialog,
    texts.say("shortcuts.title"),
    texts,
    make("label", { class: "check-line" }, toggle, texts.say("shortcuts.single")),
    make("div", { class: "shortcut-groups" }, ...groups),
    make("p", { class: "small" }, texts.say("shortcuts.mouse")),
  );
  dialog.showModal();
}

function keyRows(shortcuts, texts) {
  return Object.entries(shortcuts).flatMap(([name, keys]) => [
    make("dt", {}, ...keys.map((key) => make("kbd", {}, texts.has(`key.${key}`) ? texts.say(`key.${key}`) : key))),
    make("dd", {}, texts.say(`shortcut.${name}`)),
  ]);
}

/**
 * Ask for an API key. It is kept in memory only.
 * @returns {Promise<string|null>} null: the dialog was closed without one
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
