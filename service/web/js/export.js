/** Export of the table: CSV for spreadsheets, JSON for programs. */

import { decide } from "./decide.js";
import { make } from "./dom.js";
import { figuresHold } from "./meaning.js";
import { adjust } from "./prevalence.js";
import { countAgreement } from "./verdict.js";

/**
 * Download the cases as CSV.
 * @param {import("./cases.js").Case[]} items
 * @param {{description: object, point: string, prevalence: number|null}} page the description of GET
 *   /model, the operating point, and what the reader chose
 */
export function saveCsv(items, page) {
  const records = items.map((item) => toRecord(item, page));
  save("pneumonia.csv", "text/csv", toCsv(records.map((record) => ({ ...record, warnings: record.warnings.join(" ") }))));
}

/** Download the cases as JSON. */
export function saveJson(items, page) {
  const { description, point } = page;
  const { name, version } = description.contract;
  const cases = items.map((item) => toRecord(item, page));
  const agreement = { operating_point: point, ...countAgreement(items, description.contract, point) };
  const content = { not_a_medical_device: true, model: { name, version }, agreement, cases };
  save("pneumonia.json", "application/json", `${JSON.stringify(content, null, 2)}\n`);
}

/** One flat record per case: numbers unrounded, names independent of the page's language. */
function toRecord(item, { description, point: pointName, prevalence }) {
  const { answer, problem, opinion } = item;
  const { contract } = description;
  const reading = answer && decide(answer, contract, pointName);
  // a refusal names no model; the page reads again what a model that was replaced has refused
  const refusedBy = problem?.code === "not_a_chest_xray" ? { ...contract, sha256: description.sha256 } : null;
  const model = answer?.model ?? refusedBy;
  const adjusted =
    answer && prevalence !== null && contract.calibration_prevalence
      ? adjust(answer.probability, reading.point, contract, prevalence)
      : null;
  const predictive = adjusted && figuresHold(answer) ? adjusted : null;
  const probabilities = contract.labels.map((label) => [`probability_${label}`, answer?.probabilities[label] ?? null]);
  return {
    file: item.name,
    state: item.state,
    decision: reading?.decision ?? null,
    probability: answer?.probability ?? null,
    subtype: reading?.subtype ?? null,
    ...Object.fromEntries(probabilities),
    operating_point: pointName,
    threshold: reading?.point.threshold ?? null,
    prevalence: adjusted && prevalence,
    adjusted_probability: adjusted && adjusted.probability,
    positive_predictive_value: predictive && predictive.positive,
    negative_predictive_value: predictive && predictive.negative,
    evidence_outside_lungs: answer?.lungs?.evidence_outside ?? null,
    reader_verdict: opinion.verdict,
    reader_unaided: opinion.unaided,
    reader_comment: opinion.comment || null,
    agrees: reading && opinion.verdict ? reading.decision === opinion.verdict : null,
    input_accepted: answer?.input_check.accepted ?? (refusedBy ? false : null),
    input_distance: answer?.input_check.distance ?? problem?.distance ?? null,
    input_limit: answer?.input_check.limit ?? problem?.limit ?? null,
    warnings: (answer?.warnings ?? []).map((warning) => warning.code),
    problem: problem?.code ?? null,
    problem_status: problem?.status ?? null,
    problem_detail: problem?.detail ?? null,
    suspected_cause: problem?.suspected_cause ?? null,
    width: answer?.image.width ?? null,
    height: answer?.image.height ?? null,
    format: answer?.image.format ?? null,
    model: model?.name ?? null,
    model_version: model?.version ?? null,
    model_sha256: model?.sha256 ?? null,
    request_id: answer?.request_id ?? problem?.requestId ?? null,
  };
}

/** RFC 4180, with a byte order mark, without which spreadsheets misread accents. */
function toCsv(records) {
  const names = Object.keys(records[0] ?? {});
  const lines = [names, ...records.map((record) => names.map((name) => record[name]))];
  return `\ufeff${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

function cell(value) {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  // a spreadsheet would run a file name that looks like a formula
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
