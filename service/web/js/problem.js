/** A problem in words. */

import { make } from "./dom.js";
import { distances, facts, verdict } from "./components.js";

/** What happened and what to do about it. */
export function problemWords(problem, texts) {
  const code = texts.known("problem", problem.code);
  const advice = problem.suspected_cause ? `suspected_cause.${problem.suspected_cause}` : `problem.${code}.do`;
  return verdict("failed", "failed", texts.say(`problem.${code}`), texts.say(advice));
}

/** The same with the service's own message and the request id. */
export function problemParts(problem, texts) {
  const { detail, distance, limit, requestId } = problem;
  const measured = distance !== null && limit !== null;
  const rows = [
    detail && ["problem.said", make("q", { lang: "en" }, detail)],
    measured && ["detail.distance", texts.say("detail.of_limit", distances(distance, limit, texts))],
    requestId && ["detail.request_id", make("code", {}, requestId)],
  ];
  return [problemWords(problem, texts), facts(rows.filter(Boolean), texts)];
}
