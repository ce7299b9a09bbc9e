/** Entry point: creates the parts of the page and connects them. */

import { Announcer } from "./announcer.js";
import { Api } from "./api.js";
import { canRetry, Cases, isOpen, isUnsaved } from "./cases.js";
import { decide } from "./decide.js";
import { askForKey, openModelCard, openShortcuts } from "./dialogs.js";
import { find } from "./dom.js";
import { fetchExample, isExample } from "./examples.js";
import { saveCsv, saveJson } from "./export.js";
import { openFileInput } from "./file-input.js";
import { drawPoints, drawTheme, followSystemTheme, isLight, openLanguages } from "./header.js";
import { ImageCache } from "./images.js";
import { ServedModel } from "./model.js";
import { drawAgreement, drawCard, drawFilter, drawProgress, showView } from "./panes.js";
import { prevalenceOf, readPreferences, writePreference } from "./preferences.js";
import { printCases } from "./print.js";
import { Queue } from "./queue.js";
import { Shortcuts } from "./shortcuts.js";
import { fetchModel } from "./startup.js";
import { Table } from "./table.js";
import { LANGUAGES, preferredLanguage, Texts } from "./texts.js";
import { drawUndo, openUndo } from "./undo.js";
import { countAgreement, isHidden, VERDICTS, withVerdict } from "./verdict.js";
import { Viewer } from "./viewer.js";

const preferences = readPreferences();
const texts = new Texts();
const api = new Api((wrong) => askForKey(wrong, texts));
const cases = new Cases();
const images = new ImageCache(api);
const served = new ServedModel(api, cases, changeModel);
const queue = new Queue(cases, (...request) => served.predict(...request));

const page = () => ({
  texts,
  contract: served.contract,
  point: preferences.point,
  prevalence: prevalenceOf(preferences),
  blind: preferences.blind === "on",
  cases,
});
const act = {
  select: (item) => cases.select(item),
  open: (item) => {
    cases.select(item);
    showView("read");
  },
  cancel: (item) => queue.cancel(item),
  retry: (item) => queue.retry([item]),
  remove: (item) => remove([item]),
  setVerdict: (item, verdict) => cases.update(item, { opinion: withVerdict(item, verdict, page()) }),
  setComment: (item, comment) => cases.update(item, { opinion: { ...item.opinion, comment } }),
  setBlind: (on) => {
    choose("blind", on ? "on" : null);
    draw();
  },
  setPrevalence: (share) => {
    choose("prevalence", share === null ? null : String(share));
    draw();
  },
};
const table = new Table(find("rows"), page, act);
const viewer = new Viewer(find("viewer"), images, texts);
const announcer = new Announcer(page);

function decisionOf(item) {
  // the evidence of an example is shown whatever the answer
  if (!item?.answer || isExample(item) || isHidden(item, page())) return null;
  return decide(item.answer, served.contract, preferences.point).decision;
}

/** The service has a new model: read the old one's cases again. */
function changeModel(stale) {
  for (const item of stale) {
    images.forget(item);
    cases.update(item, { state: "waiting", answer: null });
  }
  useModel();
  queue.retry(stale);
}

function useModel() {
  const { contract, has_evidence: hasEvidence } = served.description;
  if (!contract.operating_points.some((point) => point.name === preferences.point)) preferences.point = "balanced";
  find("population").textContent = contract.population;
  find("population").parentElement.hidden = !contract.population.trim();
  images.hasEvidence = hasEvidence;
  texts.finding = contract.finding === "pneumonia" ? null : contract.finding;
  drawWords();
}

/** Files that were added before the model's description arrived. */
let early = [];

function take(files) {
  if (!served.description) {
    early.push(...files);
    return;
  }
  const added = cases.add(files);
  if (added.length) cases.select(added[0]);
  queue.run();
}

// --- drawing -------------------------------------------------------------------------------------

let scheduled = false;

/** Draw at most once per frame. */
function draw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (served.description) drawNow();
  });
}

function drawNow() {
  const { all, selected } = cases;
  if (!all.length) showView("empty");
  else if (document.body.dataset.view === "empty") showView("read");
  table.draw();
  drawProgress(all, table.place(selected), texts);
  const point = served.contract.operating_points.find(({ name }) => name === preferences.point);
  drawFilter(table.counts, point.purpose === "screening", texts);
  drawAgreement(countAgreement(all, served.contract, preferences.point), texts);
  if (!page().blind) for (const item of all) item.exposed ||= item.answer !== null;
  drawCard(selected, page(), act);
  drawUndo(cases.restorable, texts);
  viewer.show(selected, decisionOf(selected), isHidden(selected, page()));
}

function drawWords() {
  texts.apply();
  find("language-tag").textContent = texts.language;
  drawTheme(preferences.theme, texts);
  showPoints();
  viewer.relabel();
  draw();
}

// --- preferences ---------------------------------------------------------------------------------

function showPoints() {
  if (served.description) drawPoints(served.contract.operating_points, preferences.point, texts, choosePoint);
}

function choose(name, value) {
  preferences[name] = value;
  writePreference(name, value);
}

function choosePoint(name) {
  choose("point", name);
  showPoints();
  draw();
  announcer.say(texts.say("say.point", { point: texts.name("point", name) }));
}

async function chooseLanguage(language) {
  await texts.load(language);
  writePreference("lang", language);
  drawWords();
  // also takes away what was said last, in another language
  announcer.say(texts.say("say.language", { language: LANGUAGES[language] }));
}

function chooseTheme() {
  const chosen = isLight(preferences.theme) ? "dark" : "light";
  // choosing what the system has means following it again
  choose("theme", isLight(null) === (chosen === "light") ? null : chosen);
  drawTheme(preferences.theme, texts);
}

function chooseView() {
  if (cases.all.length) showView(document.body.dataset.view === "table" ? "read" : "table");
}

function nextPoint() {
  const names = served.contract.operating_points.map((point) => point.name);
  choosePoint(names[(names.indexOf(preferences.point) + 1) % names.length]);
}

// --- actions -------------------------------------------------------------------------------------

function filter(changes) {
  table.filter(changes);
  draw();
}

function printShown() {
  const items = table.shown.filter((item) => !isOpen(item));
  printCases(items, { ...page(), opacity: viewer.view.opacity }, images);
}

/** By a key: the same one again takes it back. */
function giveVerdict(verdict) {
  const item = cases.selected;
  if (!item || isOpen(item)) return;
  const given = item.opinion.verdict === verdict ? null : verdict;
  act.setVerdict(item, given);
  announcer.say(texts.say("say.verdict", { name: item.name, verdict: texts.say(`verdict.${given ?? "none"}`) }));
}

function step(direction) {
  const next = cases.selected && table.neighbour(cases.selected, direction);
  if (next) cases.select(next);
}

function remove(items) {
  queue.withdraw(items);
  for (const item of items) images.forget(item);
  cases.remove(items);
  announcer.say(texts.say("undo.removed", { count: items.length }));
}

function clearAll() {
  remove(cases.all);
  drawNow();
  find("undo-restore").focus();
}

function restored() {
  const stale = served.stale(cases.all);
  if (stale.length) changeModel(stale);
  queue.run();
  announcer.say(texts.say("list.count", { count: cases.all.length }));
  drawNow();
  find("card").focus();
}

function save(write) {
  write(table.shown, { ...page(), description: served.description });
  for (const item of table.shown) item.saved = true;
}

function listen(fileInput) {
  const { view } = viewer;
  const on = (id, action) => find(id).addEventListener("click", action);
  const openShortcutsDialog = () => openShortcuts(shortcuts, texts);
  const openModel = () => served.description && openModelCard(served.description, texts);
  on("open-model", openModel);
  on("open-shortcuts", openShortcutsDialog);
  on("theme", chooseTheme);
  on("view", chooseView);
  on("step-previous", () => step(-1));
  on("step-next", () => step(1));
  on("example", async () => take([await fetchExample("example.jpg")]));
  on("example-refused", async () => take([await fetchExample("example-refused.jpg")]));
  on("cancel-all", () => queue.cancelAll());
  on("retry-all", () => queue.retry(cases.all.filter(canRetry)));
  on("clear", clearAll);
  on("print", printShown);
  on("save-csv", () => save(saveCsv));
  on("save-json", () => save(saveJson));
  find("filter").addEventListener("input", (event) => filter({ words: event.target.value.trim() }));
  find("filter-answer").addEventListener("change", (event) => filter({ answer: event.target.value }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "p" || !(event.ctrlKey || event.metaKey) || !cases.all.length) return;
    // the sheets need their images first
    event.preventDefault();
    printShown();
  });
  addEventListener("beforeunload", (event) => {
    if (cases.all.some((item) => isOpen(item) || (isUnsaved(item) && !isExample(item)))) event.preventDefault();
  });
  followSystemTheme(() => drawTheme(preferences.theme, texts));
  openUndo(cases, restored);
  cases.addEventListener("change", draw);
  cases.addEventListener("change", (event) => event.detail && announcer.changed(event.detail));
  cases.addEventListener("select", draw);
  cases.addEventListener("select", () => cases.selected && requestAnimationFrame(() => table.reveal(cases.selected)));
  const shortcuts = new Shortcuts({
    choose: fileInput.pick,
    next: () => step(1),
    previous: () => step(-1),
    filter: () => find("filter").focus(),
    undo: () => {
      if (cases.restorable) find("undo-restore").click();
    },
    view: chooseView,
    evidence: () => viewer.toggleEvidence(),
    fainter: () => view.change({ opacity: view.opacity - 0.1, evidence: true }),
    stronger: () => view.change({ opacity: view.opacity + 0.1, evidence: true }),
    zoom_in: () => view.zoomAt(1.25),
    zoom_out: () => view.zoomAt(0.8),
    fit: () => view.fit(),
    actual_size: () => view.actualSize(),
    window: () => view.toggleWindow(),
    invert: () => view.change({ inverted: !view.inverted }),
    split: () => view.change({ split: !view.split }),
    turn: () => view.turn(),
    mirror: () => view.change({ mirrored: !view.mirrored }),
    full_screen: () => viewer.toggleFullScreen(),
    reset: () => view.reset(),
    ...Object.fromEntries(VERDICTS.map((verdict) => [verdict, () => giveVerdict(verdict)])),
    point: () => served.description && nextPoint(),
    model: openModel,
    help: openShortcutsDialog,
  });
}

async function start() {
  await texts.load(preferences.lang in LANGUAGES ? preferences.lang : preferredLanguage());
  openLanguages(texts.language, chooseLanguage);
  listen(openFileInput(take));
  drawWords();
  served.description = await fetchModel(api, texts);
  useModel();
  document.body.dataset.ready = "true";
  take(early);
  early = [];
}

start();
