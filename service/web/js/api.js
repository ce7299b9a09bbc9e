/** The service over HTTP. Files go as raw bytes, so that their names never leave the browser. */

/** An answer that is no result: the service's problem, or one of the way to it. */
export class Problem extends Error {
  /** @param {{code: string, status?: number, detail?: string}} body problem+json, or made here */
  constructor(body) {
    super(body.detail ?? body.title ?? body.code);
    this.code = body.code;
    this.status = body.status ?? null;
    this.detail = body.detail ?? null;
    this.requestId = body.request_id ?? null;
    this.distance = body.distance ?? null;
    this.limit = body.limit ?? null;
    this.suspected_cause = body.suspected_cause ?? null;
    this.retryAfter = body.retry_after ?? null;
  }
}

// answers that mean "later", and how often they are taken for that before they count as an answer
const LATER = new Set(["overloaded", "not_ready"]);
const PATIENCE = 20;

export class Api {
  #key = null;
  #asking = null;
  #askKey;

  /** @param {(wrong: boolean) => Promise<string|null>} askKey asks the reader; null: no key given */
  constructor(askKey) {
    this.#askKey = askKey;
  }

  /** The contract of the model that is served. */
  async model(signal, onWait) {
    return (await this.#patiently(() => this.#send("model", {}, signal), signal, onWait)).json();
  }

  /** The answer for one file, at the operating point that every model has; the page applies others. */
  async predict(file, signal, onWait) {
    return (await this.#patiently(() => this.#post("predict", file, signal), signal, onWait)).json();
  }

  /** The X-ray as the model saw it, without evidence. @returns {Promise<Blob>} PNG */
  async plain(file, signal) {
    return this.#picture({ alpha: "0" }, file, signal);
  }

  /** The evidence alone, transparent where there is none. @returns {Promise<Blob>} PNG */
  async evidence(file, signal) {
    return this.#picture({ layer: "evidence", alpha: "1" }, file, signal);
  }

  async #picture(parameters, file, signal) {
    const path = `explain?${new URLSearchParams(parameters)}`;
    return (await this.#patiently(() => this.#post(path, file, signal), signal)).blob();
  }

  #post(path, file, signal) {
    const type = file.type.startsWith("image/") ? file.type : "application/octet-stream";
    // the file, not its bytes: the browser reads it as it sends it, and memory stays free
    return this.#send(path, { method: "POST", body: file, headers: { "Content-Type": type } }, signal);
  }

  async #patiently(send, signal, onWait = () => {}) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof Problem) || !LATER.has(error.code) || tries >= PATIENCE) throw error;
        const seconds = error.retryAfter ?? 1;
        onWait(error.code, seconds);
        // spread out, or all that were turned away come back at the same moment
        await pause((seconds + Math.random() * Math.min(tries, 5) * 0.5) * 1000, signal);
      }
    }
  }

  async #send(path, options, signal) {
    for (;;) {
      const key = this.#key;
      const answer = await this.#fetch(path, options, key, signal);
      if (answer.ok) return answer;
      const problem = await problemOf(answer);
      if (problem.status !== 401) throw problem;
      // others may have been given a better key while this one was under way
      if (key === this.#key && !(await this.#getKey())) throw problem;
      signal?.throwIfAborted();
    }
  }

  async #fetch(path, options, key, signal) {
    const headers = { ...options.headers, ...(key ? { "X-API-Key": key } : {}) };
    try {
      return await fetch(path, { ...options, headers, signal, cache: "no-store", credentials: "same-origin" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({ code: (await isGone(options.body)) ? "unreadable_file" : "unreachable" });
    }
  }

  async #getKey() {
    // one question, however many requests were turned away
    this.#asking ??= this.#askKey(this.#key !== null).finally(() => {
      this.#asking = null;
    });
    const key = await this.#asking;
    if (key !== null) this.#key = key;
    return key !== null;
  }
}

/** Whether a file is a folder, or was moved or changed on the disk since it was picked. */
async function isGone(file) {
  try {
    await file?.slice(0, 1).arrayBuffer();
    return false;
  } catch {
    return true;
  }
}

async function problemOf(answer) {
  const later = Number(answer.headers.get("Retry-After")) || undefined;
  try {
    const body = await answer.json();
    return new Problem({ retry_after: later, code: "unknown", ...body, status: answer.status });
  } catch {
    // a proxy in between answers in its own words
    return new Problem({ code: answer.status === 413 ? "too_large" : "unknown", status: answer.status });
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
