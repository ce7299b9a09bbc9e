/** The decision at an operating point, by the service's own rule, so that switching needs no upload. */

/**
 * @param {object} answer of /predict at `balanced`
 * @param {object} contract of /model
 * @param {string} name of the operating point
 * @returns {{decision: "pneumonia"|"normal"|"uncertain", look: string, subtype: string|null, isClose: boolean, point: object}}
 *   look: the words, colour and shape of the decision, which are others where `pneumonia` only means
 *   above a screening threshold
 *   subtype: the service's own, where the decision is `pneumonia` here too; whether to name it is not
 *   decided again
 *   isClose: whether the service named none because it can hardly tell
 */
export function decide(answer, contract, name) {
  const point = contract.operating_points.find((candidate) => candidate.name === name);
  const { threshold, uncertain_low: low, uncertain_high: high } = point;
  const { probability } = answer;
  let decision = probability >= threshold ? "pneumonia" : "normal";
  if (low !== null && high !== null && low <= probability && probability < high) decision = "uncertain";
  const look = decision === "pneumonia" && point.purpose === "screening" ? "screening" : decision;
  const subtype = look === "pneumonia" ? answer.subtype : null;
  const several = contract.pneumonia_labels.length > 1;
  const isClose = look === "pneumonia" && several && answer.decision === "pneumonia" && !answer.subtype;
  return { decision, look, subtype, isClose, point };
}
