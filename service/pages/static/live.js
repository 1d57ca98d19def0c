// Follows a study: by server-sent events while they come, by asking again while they do not.

import { at, say } from "./api.js"
import { patient, refresh, throttled } from "./regions.js"

const REFRESH_MS = 1500 // at most so often while events come
const POLL_MS = 3000 // while they do not
const IDLE_MS = 10_000 // while they do, for what changed and changed back between two looks; and once the study has ended
const GONE = [404, 410]

const isActive = () => document.querySelector("[data-active]")?.dataset.active === "true"

/**
 * Follow the study of a name. `handlers` get the data of events: `trial` a number (or nothing: look for all), `curve` a
 * {number, steps, values}.
 */
export function follow(name, lastEvent, handlers) {
  const path = at(`/v1/studies/${encodeURIComponent(name)}/events`)
  const refreshSoon = throttled(REFRESH_MS)
  let source = null
  let lastId = lastEvent
  let triedAt = 0
  let lookedAt = Date.now()
  let isGone = false

  function connect() {
    triedAt = Date.now()
    source = new EventSource(lastId == null ? path : `${path}?last_event_id=${encodeURIComponent(lastId)}`)
    const on = (type, handle) => source.addEventListener(type, (event) => {
      lastId = event.lastEventId || lastId
      handle(JSON.parse(event.data))
    })
    on("study", refreshSoon)
    on("comparison", refreshSoon)
    on("curve", handlers.curve)
    on("trial", (trial) => {
      handlers.trial(trial.number)
      refreshSoon()
    })
    on("deleted", gone)
    on("end", () => {
      disconnect()
      look()
    })
    // It would come back by itself, but with no growing pause; whether the server is there is seen at once.
    source.addEventListener("error", () => {
      disconnect()
      look()
    })
    source.addEventListener("open", () => handlers.trial())
  }

  function disconnect() {
    source?.close()
    source = null
  }

  function gone() {
    isGone = true
    disconnect()
    say("This study was deleted.", "note")
    for (const button of document.querySelectorAll("main button")) button.disabled = true
  }

  async function look() {
    lookedAt = Date.now()
    const status = await refresh()
    if (GONE.includes(status)) gone()
    else handlers.trial()
  }

  setInterval(() => {
    if (isGone || document.hidden) return
    const isStreaming = source?.readyState === EventSource.OPEN
    if (!source && isActive() && Date.now() - triedAt > patient(POLL_MS)) connect()
    if (Date.now() - lookedAt < patient(!isStreaming && (isActive() || source) ? POLL_MS : IDLE_MS)) return
    look()
  }, 500)
  // A browser opens six connections to a host: a page that nobody looks at leaves its own to others.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden) return disconnect()
    if (isGone) return
    await look()
    if (!isGone && !document.hidden && !source && isActive()) connect()
  })
  document.addEventListener("acted", look)
  if (isActive() && !document.hidden) connect()
}
