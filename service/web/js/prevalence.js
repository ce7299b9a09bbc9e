/** What an answer means where pneumonia is as frequent as the reader says; the rule of service/inference/prevalence.py. */

/**
 * @param {number} probability of pneumonia, 0..1
 * @param {object} point of the contract
 * @param {object} contract of /model; its calibration_prevalence is known
 * @param {number} prevalence between 0 and 1
 * @returns {{probability: number, positive: number|null, negative: number|null}} the predictive values
 *   of the answers pneumonia and normal; null where there are no such answers
 */
export function adjust(probability, point, contract, prevalence) {
  const before = contract.calibration_prevalence;
  const present = (probability * prevalence) / before;
  const absent = ((1 - probability) * (1 - prevalence)) / (1 - before);
  return { probability: present / (present + absent), ...predictiveValues(point, prevalence) };
}

function predictiveValues({ sensitivity, specificity, uncertain }, prevalence) {
  // where it is known how many are answered uncertain, these are left out
  const rates = uncertain ?? { sensitivity, specificity, pneumonia: { value: 0 }, normal: { value: 0 } };
  const present = prevalence * (1 - rates.pneumonia.value);
  const absent = (1 - prevalence) * (1 - rates.normal.value);
  return {
    positive: share(present * rates.sensitivity.value, absent * (1 - rates.specificity.value)),
    negative: share(absent * rates.specificity.value, present * (1 - rates.sensitivity.value)),
  };
}

function share(right, wrong) {
  return right + wrong > 0 ? right / (right + wrong) : null;
}
