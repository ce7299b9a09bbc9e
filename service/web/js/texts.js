/** The page's texts and number formats in one language. */

export const LANGUAGES = { en: "English", es: "Español", fr: "Français" };

/** The first of the browser's languages that the page has texts in. */
export function preferredLanguage(wanted = navigator.languages) {
  return wanted.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export class Texts {
  #words = {};
  language = "en";

  /** Load a language's file; @throws {TypeError} when the service cannot be reached. */
  async load(language) {
    const answer = await fetch(`static/texts/${language}.json`);
    this.#words = await answer.json();
    this.language = language;
    this.#format = (options) => new Intl.NumberFormat(language, options);
  }

  #format = (options) => new Intl.NumberFormat("en", options);

  /** What the model looks for, in its own word, where that is not pneumonia; else null. */
  finding = null;

  has(key) {
    return key in this.#words;
  }

  /**
   * The text for a key, with {placeholders} filled in. A `count` selects the plural form (`key.one`).
   * Where the model looks for something else than pneumonia, `key.finding` takes the place of `key`.
   */
  say(key, values = {}) {
    let name = key;
    if ("count" in values) {
      const form = `${key}.${new Intl.PluralRules(this.language).select(values.count)}`;
      if (this.has(form)) name = form;
    }
    if (this.finding && this.has(`${name}.finding`)) name = `${name}.finding`;
    const words = this.#words[name] ?? name;
    const known = this.finding ? { ...values, finding: this.finding, Finding: capital(this.finding) } : values;
    return words.replace(/\{(\w+)\}/g, (_, part) => {
      const value = known[part];
      return typeof value === "number" ? this.number(value) : String(value);
    });
  }

  /** The text for a name from the model or the service, or the name itself where there is none. */
  name(group, name) {
    const key = `${group}.${name}`;
    return this.has(key) ? this.say(key) : name.replaceAll("_", " ");
  }

  /** The name, or `unknown` where the page has no text for it. */
  known(group, name) {
    return this.has(`${group}.${name}`) ? name : "unknown";
  }

  number(value, digits = 0) {
    return this.#format({ maximumFractionDigits: digits }).format(value);
  }

  fixed(value, digits) {
    return this.#format({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  }

  /** A setting 0..1 in percent. */
  share(value) {
    return this.#format({ style: "percent" }).format(value);
  }

  /** A probability 0..1 in percent; never 0 or 100, which would claim certainty. */
  percent(value) {
    const percent = this.#format({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
    if (value < 0.001) return `< ${percent.format(0.001)}`;
    if (value > 0.999) return `> ${percent.format(0.999)}`;
    return percent.format(value);
  }

  /** A rate 0..1 as "of 100"; a rate below 1 is never rounded to 100. */
  ofHundred(rate) {
    const rounded = Math.round(rate * 100);
    return rounded === 100 && rate < 1 ? this.fixed(Math.floor(rate * 1000) / 10, 1) : this.number(rounded);
  }

  /** Fill in the elements with data-text, data-label or data-placeholder. */
  apply(root = document) {
    document.documentElement.lang = this.language;
    for (const element of root.querySelectorAll("[data-text]")) element.textContent = this.say(element.dataset.text);
    for (const element of root.querySelectorAll("[data-placeholder]")) {
      element.placeholder = this.say(element.dataset.placeholder);
    }
    for (const element of root.querySelectorAll("[data-label]")) {
      element.setAttribute("aria-label", this.say(element.dataset.label));
      if (element.matches("button")) element.title = this.say(element.dataset.label);
    }
  }
}
