/** Printing: one page per case. */

import { answerParts } from "./card.js";
import { english } from "./components.js";
import { find, make } from "./dom.js";
import { problemParts } from "./problem.js";
import { isHidden, verdictOnPaper } from "./verdict.js";

/**
 * Lay out the sheets, wait until their images are decoded, and open the browser's print dialog.
 * The button shows the progress.
 * @param {import("./cases.js").Case[]} items
 * @param {{texts: object, contract: object, point: string, prevalence: number|null, blind: boolean, opacity: number}} page
 * @param {import("./images.js").ImageCache} images
 */
export async function printCases(items, page, images) {
  const { texts } = page;
  const button = find("print");
  if (!items.length || button.disabled) return;
  const label = button.querySelector("span");
  const count = items.length;
  button.disabled = true;
  try {
    const done = await laySheets(items, page, images, (place) => {
      label.textContent = texts.say("list.place", { place, count });
    });
    addEventListener("afterprint", done, { once: true });
    print();
  } finally {
    label.textContent = texts.say("list.print");
    button.disabled = false;
  }
}

/** @returns {Promise<() => void>} removes the sheets */
async function laySheets(items, page, images, onSheet) {
  const urls = [];
  const sheets = [];
  // one after the other: requesting the images of a hundred cases at once would overload the service
  for (const item of items) {
    onSheet(sheets.length + 1);
    sheets.push(await sheet(item, page, images, urls));
  }
  const root = find("sheets");
  root.replaceChildren(...sheets);
  await Promise.allSettled([...root.querySelectorAll("img")].map((image) => image.decode()));
  document.body.classList.add("has-sheets");
  return () => {
    document.body.classList.remove("has-sheets");
    root.replaceChildren();
    for (const url of urls) URL.revokeObjectURL(url);
  };
}

async function sheet(item, page, images, urls) {
  const { texts, contract } = page;
  const now = new Intl.DateTimeFormat(texts.language, { dateStyle: "long", timeStyle: "short" }).format(new Date());
  const hidden = isHidden(item, page);
  const films = [];
  if (item.answer) {
    const { plain, evidence } = await images.of(item);
    const image = (blob, kind) => {
      const url = URL.createObjectURL(blob);
      urls.push(url);
      return make("img", { class: kind, src: url, alt: "" });
    };
    if (plain) films.push(figure(texts.say("viewer.original"), image(plain, "xray")));
    if (plain && evidence && !hidden) {
      const layer = image(evidence, "evidence");
      layer.style.opacity = String(page.opacity);
      films.push(figure(texts.say("viewer.with_evidence"), image(plain, "xray"), layer));
    }
  }
  return make(
    "article",
    { class: "sheet" },
    make("header", {}, make("strong", {}, "Pneumonia Detection"), make("span", {}, `${contract.name} ${contract.version}`), make("span", {}, now)),
    make("h2", {}, item.name),
    films.length > 0 && make("div", { class: "sheet-films" }, ...films),
    make("div", { class: "sheet-answer" }, ...bodyParts(item, page, hidden)),
    verdictOnPaper(item, texts),
    make("div", { class: "sheet-limits" }, ...limits(contract, texts)),
    item.answer && make("p", { class: "sheet-provenance" }, provenance(item.answer, texts)),
    make("footer", {}, make("strong", {}, texts.say("device.short")), " ", texts.say("device.long")),
  );
}

function bodyParts(item, page, hidden) {
  const { texts } = page;
  if (hidden) return [make("p", {}, texts.say("verdict.first"))];
  if (item.answer) return answerParts(item, page, null).filter(Boolean);
  return item.problem ? problemParts(item.problem, texts) : [make("p", {}, texts.say(`state.${item.state}`))];
}

/** Whom the figures hold for, and what the answer cannot say. */
function limits({ population }, texts) {
  const known = population.trim();
  return [
    known && make("p", {}, make("strong", {}, `${texts.say("model.population")}: `), english(known)),
    make("p", {}, make("strong", {}, `${texts.say("model.limits")}: `), ["population", "evidence", "alone"].map((name) => texts.say(`limit.${name}`)).join(" ")),
  ].filter(Boolean);
}

/** Request id and model digest, with which the answer can be found in the service's log. */
function provenance({ request_id: id, model }, texts) {
  return `${texts.say("detail.request_id")}: ${id} · ${texts.say("detail.model")}: SHA-256 ${model.sha256}`;
}

function figure(caption, ...images) {
  return make("figure", {}, make("div", { class: "sheet-film" }, ...images), make("figcaption", {}, caption));
}
