/** Export of the table: CSV for spreadsheets, JSON for programs. */

import { decide } from "./decide.js";
import { make } from "./dom.js";

/** Download the cases as CSV. */
export function saveCsv(items, contract, pointName) {
  save("pneumonia.csv", "text/csv", toCsv(items.map((item) => toRecord(item, contract, pointName))));
}

/** Download the cases as JSON. */
export function saveJson(items, contract, pointName) {
  const model = { name: contract.name, version: contract.version };
  const cases = items.map((item) => toRecord(item, contract, pointName));
  save("pneumonia.json", "application/json", `${JSON.stringify({ not_a_medical_device: true, model, cases }, null, 2)}\n`);
}

/** One flat record per case: numbers unrounded, names independent of the page's language. */
function toRecord(item, contract, pointName) {
  const { answer, problem } = item;
  const reading = answer && decide(answer, contract, pointName);
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
    input_accepted: answer?.input_check.accepted ?? null,
    input_distance: answer?.input_check.distance ?? problem?.distance ?? null,
    input_limit: answer?.input_check.limit ?? problem?.limit ?? null,
    warnings: (answer?.warnings ?? []).map((warning) => warning.code).join(" "),
    problem: problem?.code ?? null,
    width: answer?.image.width ?? null,
    height: answer?.image.height ?? null,
    format: answer?.image.format ?? null,
    model: answer?.model.name ?? null,
    model_version: answer?.model.version ?? null,
    model_sha256: answer?.model.sha256 ?? null,
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
