/** The decision at an operating point, by the service's own rule, so that switching needs no upload. */

/**
 * @param {{probability: number, probabilities: Record<string, number>}} answer of /predict
 * @param {object} contract of /model
 * @param {string} name of the operating point
 * @returns {{decision: "pneumonia"|"normal"|"uncertain", look: string, subtype: string|null, likeliest: string|null, point: object}}
 *   look: the words, colour and shape of the decision, which are others where `pneumonia` only means
 *   above a screening threshold
 *   likeliest: the label of pneumonia that is ahead, also in a close call, which has no subtype
 */
export function decide(answer, contract, name) {
  const point = contract.operating_points.find((candidate) => candidate.name === name);
  const { threshold, uncertain_low: low, uncertain_high: high } = point;
  const { probability, probabilities } = answer;
  let decision = probability >= threshold ? "pneumonia" : "normal";
  if (low !== null && high !== null && low <= probability && probability < high) decision = "uncertain";
  const labels = contract.pneumonia_labels;
  const look = decision === "pneumonia" && point.purpose === "screening" ? "screening" : decision;
  if (decision !== "pneumonia" || labels.length === 1) return { decision, look, subtype: null, likeliest: null, point };
  const likeliest = labels.reduce((best, label) => (probabilities[label] > probabilities[best] ? label : best));
  const isClose = probabilities[likeliest] < contract.subtype_rule.least_share * probability;
  return { decision, look, subtype: isClose ? null : likeliest, likeliest, point };
}
