/** Client of the service's HTTP API. Files are sent as raw bytes, so their names never leave the browser. */

/** A request that failed: a problem from the service, or an error on the way to it. */
export class Problem extends Error {
  /** @param {{code: string, status?: number, detail?: string}} body problem+json, or an object of the same form */
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

// problems that are retried after a pause, and how many times
const RETRY_LATER = new Set(["overloaded", "not_ready"]);
const MAX_TRIES = 20;

export class Api {
  #key = null;
  #pendingKey = null;
  #askKey;

  /** @param {(wrong: boolean) => Promise<string|null>} askKey asks the user for a key; null: none given */
  constructor(askKey) {
    this.#askKey = askKey;
  }

  /** The model's description, GET /model. */
  async model(signal, onWait) {
    return (await this.#withRetries(() => this.#send("model", {}, signal), signal, onWait)).json();
  }

  /** The answer for one file, at the default operating point; the page applies the others itself. */
  async predict(file, signal, onWait) {
    return (await this.#withRetries(() => this.#post("predict", file, signal), signal, onWait)).json();
  }

  /** The X-ray as the service decoded it, without evidence. @returns {Promise<Blob>} PNG */
  async plain(file, signal) {
    return this.#image({ alpha: "0" }, file, signal);
  }

  /** The evidence alone, transparent where there is none. @returns {Promise<Blob>} PNG */
  async evidence(file, signal) {
    return this.#image({ layer: "evidence", alpha: "1" }, file, signal);
  }

  async #image(parameters, file, signal) {
    const path = `explain?${new URLSearchParams(parameters)}`;
    return (await this.#withRetries(() => this.#post(path, file, signal), signal)).blob();
  }

  #post(path, file, signal) {
    const type = file.type.startsWith("image/") ? file.type : "application/octet-stream";
    // the file, not its bytes: the browser reads it as it sends it, and memory stays free
    return this.#send(path, { method: "POST", body: file, headers: { "Content-Type": type } }, signal);
  }

  async #withRetries(send, signal, onWait = () => {}) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof Problem) || !RETRY_LATER.has(error.code) || tries >= MAX_TRIES) throw error;
        const seconds = error.retryAfter ?? 1;
        onWait(error.code, seconds);
        // jitter, so that requests refused together do not all return at the same moment
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
      // another request may have obtained a new key in the meantime
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
    // ask once, however many requests got 401
    this.#pendingKey ??= this.#askKey(this.#key !== null).finally(() => {
      this.#pendingKey = null;
    });
    const key = await this.#pendingKey;
    if (key !== null) this.#key = key;
    return key !== null;
  }
}

/** Whether a file can no longer be read: a folder, or moved or changed on disk since it was picked. */
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
    // a proxy's own error page
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
