// What every page does: the theme, buttons that send a request, dialogs, copying.

import { Refusal, at, say, send } from "./api.js"

const root = document.documentElement

/** Whether the page is dark now: as its button says, else as the system does. */
export function isDark() {
  return (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark"
}

document.getElementById("theme")?.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark"
  try {
    localStorage.setItem("regsweep-theme", root.dataset.theme)
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
})

/** Send the request that a button or form names in data-method and data-path; then go on, or tell the page. */
async function act(element, body) {
  const { method, path, then } = element.dataset
  const button = element.matches("form") ? element.querySelector("[type=submit], button:not([type])") : element
  button.disabled = true
  say()
  try {
    await send(method, path, body)
    if (then) location.assign(at(then))
    else document.dispatchEvent(new CustomEvent("acted"))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    say(error.message)
  } finally {
    button.disabled = false
  }
}

/** The fields of a form as a JSON body: `budget.trials` becomes {budget: {trials}}. */
function bodyOf(form) {
  const body = {}
  for (const field of form.elements) {
    if (!field.name) continue
    const keys = field.name.split(".")
    const last = keys.pop()
    let place = body
    for (const key of keys) place = place[key] ??= {}
    place[last] = field.type === "number" ? field.valueAsNumber : field.value // NaN of an empty one is null in JSON
  }
  return body
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button")
  if (!target) return
  if (target.dataset.dialog) document.getElementById(target.dataset.dialog).showModal()
  else if ("close" in target.dataset) target.closest("dialog").close()
  else if (target.dataset.copy) copy(target)
  else if (target.dataset.method) act(target)
})

document.addEventListener("submit", (event) => {
  const form = event.target
  if (!form.dataset.method) return
  event.preventDefault()
  form.closest("dialog")?.close()
  act(form, form.dataset.body === "none" ? undefined : bodyOf(form))
})

document.addEventListener("change", (event) => {
  if (event.target.matches("form[method=get] select")) event.target.form.requestSubmit()
})

// A text that takes time to make is fetched when it is first looked at; `toggle` does not bubble.
document.addEventListener("toggle", async (event) => {
  const { load } = event.target.dataset
  if (!load || !event.target.open) return
  const response = await fetch(at(load)).catch(() => null)
  if (response?.ok) event.target.querySelector("pre").textContent = await response.text()
  else say("The server does not give this text now.")
}, true)

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent
  try {
    await navigator.clipboard.writeText(text)
    say("Copied.", "done")
  } catch {
    say("The browser does not let this page copy; select the text and copy it.")
  }
}
