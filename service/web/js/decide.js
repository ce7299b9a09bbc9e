/** The decision at an operating point, by the service's own rule, so that switching needs no upload. */

/**
 * @param {{probability: number, probabilities: Record<string, number>}} answer of /predict
 * @param {object} contract of /model
 * @param {string} name of the operating point
 * @returns {{decision: "pneumonia"|"normal"|"uncertain", subtype: string|null, point: object}}
 */
export function decide(answer, contract, name) {
  const point = contract.operating_points.find((candidate) => candidate.name === name);
  const { threshold, uncertain_low: low, uncertain_high: high } = point;
  const { probability, probabilities } = answer;
  const reached = probability >= threshold;
  let decision = reached ? "pneumonia" : "normal";
  if (low !== null && high !== null && low <= probability && probability < high) decision = "uncertain";
  const labels = contract.pneumonia_labels;
  const likeliest = labels.reduce((best, label) => (probabilities[label] > probabilities[best] ? label : best));
  return { decision, subtype: reached && labels.length > 1 ? likeliest : null, point };
}
