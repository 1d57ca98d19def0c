// Sends requests to the REST API, and says in its own sentence why one was refused.

/** A refusal: its sentence, its status (0 where no answer came), and the fields that are wrong. */
export class Refusal extends Error {
  constructor(sentence, status, errors = []) {
    super(sentence)
    this.status = status
    this.errors = errors // [{field, message}]
  }
}

/** The address of a path of this server, which a proxy may show under a prefix. */
export const at = (path) => document.documentElement.dataset.root + path

/**
 * Send a request; return the answer's JSON, or null for none.
 * `body` is sent as JSON; a FormData, Blob or string as it is. `options` are those of fetch, and `seen`, which gets the response.
 */
export async function send(method, path, body, options = {}) {
  const headers = { Accept: "application/json", ...options.headers }
  const isRaw = body instanceof FormData || body instanceof Blob || typeof body === "string"
  if (body !== undefined && !isRaw) headers["Content-Type"] = "application/json"
  const response = await fetch(at(path), { ...options, method, headers, body: isRaw ? body : JSON.stringify(body) }).catch(unanswered)
  if (!response.ok) throw await refusalOf(response)
  options.seen?.(response)
  return response.status === 204 ? null : response.json().catch(unanswered)
}

/** fetch throws a TypeError where no answer comes, or none to its end. */
function unanswered(error) {
  if (!(error instanceof TypeError)) throw error
  throw new Refusal("The server does not answer. Is it running?", 0)
}

async function refusalOf(response) {
  const problem = await response.json().catch(() => ({}))
  return new Refusal(problem.detail ?? `The server answers ${response.status}.`, response.status, problem.errors ?? [])
}

/** Show a sentence in the page's live region; none removes what stood there. */
export function say(sentence = "", kind = "error") {
  const region = document.getElementById("message")
  region.className = sentence ? kind : ""
  region.textContent = sentence
}
