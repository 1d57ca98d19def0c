// Replaces the parts of a page that change, each marked with data-live, by those of the page as the server has it now.
// So the page is written in one place, its template, and never offers what the server would not.

import { at, say } from "./api.js"

const MAX_PAUSE_MS = 30_000
let underWay = null // the refreshing that goes on
let again = false // something was asked for meanwhile
let silent = false // the server does not answer
let failures = 0 // since the server last answered as it should

/** Fetch this page again and replace its live parts; return its status, 0 where the server does not answer. */
export function refresh() {
  again = true
  return (underWay ??= refreshUntilNew())
}

/** What was asked for while the page was under way may not be in it, so it is fetched once more. */
async function refreshUntilNew() {
  let status = 0
  try {
    while (again) {
      again = false
      status = await fetchPage()
    }
  } finally {
    underWay = null
  }
  return status
}

async function fetchPage() {
  let response, text
  try {
    response = await fetch(location.href, { headers: { Accept: "text/html" } })
    text = await response.text()
  } catch {
    silent = true
    failures++
    say("The server does not answer; this page goes on when it does.", "note")
    return 0
  }
  if (response.redirected && new URL(response.url).pathname === at("/login")) {
    location.assign(response.url)
    return response.status
  }
  if (response.ok) replaceFrom(new DOMParser().parseFromString(text, "text/html"))
  failures = response.status < 500 ? 0 : failures + 1
  if (silent && !failures) {
    say()
    silent = false
  }
  return response.status
}

function replaceFrom(fresh) {
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(region.dataset.live)}"]`)
    if (!next || next.isEqualNode(region) || isInUse(region)) continue
    for (const open of region.querySelectorAll("details[data-keep][open]"))
      next.querySelector(`details[data-keep="${CSS.escape(open.dataset.keep)}"]`)?.setAttribute("open", "")
    if (next.innerHTML === region.innerHTML) continue
    const path = pathOfFocus(region)
    region.replaceChildren(...next.childNodes)
    if (path) region.querySelector(path)?.focus()
  }
  document.dispatchEvent(new CustomEvent("refreshed", { detail: fresh }))
}

/** An open dialog, a field with a cursor in it or a text that is being selected stays as it is. */
function isInUse(region) {
  const selection = getSelection()
  const isSelecting = selection && !selection.isCollapsed && region.contains(selection.anchorNode)
  return isSelecting || region.querySelector("dialog[open]") || region.contains(document.activeElement?.closest("input, select, textarea"))
}

/** How to find the focused element again after its region was replaced. */
function pathOfFocus(region) {
  const focused = document.activeElement
  if (!focused || !region.contains(focused) || focused === region) return null
  if (focused.id) return `#${CSS.escape(focused.id)}`
  for (const name of ["href", "data-path", "data-dialog", "data-copy"])
    if (focused.hasAttribute(name)) return `[${name}="${CSS.escape(focused.getAttribute(name))}"]`
  return null
}

/** Refresh at most once in so many milliseconds, and not while nobody looks. */
export function throttled(milliseconds) {
  let timer = null
  let last = 0
  return function ask() {
    if (timer !== null || document.hidden) return
    const wait = Math.max(0, last + milliseconds - Date.now())
    timer = setTimeout(() => {
      timer = null
      last = Date.now()
      refresh()
    }, wait)
  }
}

/** So many milliseconds; from the second time on that the server failed twice as many each time, up to half a minute. */
export function patient(milliseconds) {
  return Math.min(milliseconds * 2 ** Math.max(0, failures - 1), Math.max(milliseconds, MAX_PAUSE_MS))
}

/** Refresh again and again while somebody looks, and at once when somebody looks again. */
export function refreshEvery(milliseconds) {
  const next = () => setTimeout(async () => {
    try {
      if (!document.hidden) await refresh()
    } finally {
      next() // also after an error that nobody foresaw, which the console shows
    }
  }, patient(milliseconds))
  next()
  document.addEventListener("visibilitychange", () => document.hidden || refresh())
}
