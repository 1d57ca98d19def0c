// Forms: errors beside their fields, and files that are dropped.

let numbered = 0

/** The field of the page for a field of the API: itself, one inside it, or one around it; null for none. */
function controlOf(field) {
  const controls = [...document.querySelectorAll("[data-field]")].filter((control) => !control.closest("[hidden]"))
  const at = (name) => controls.find((control) => control.dataset.field === name)
  const inside = (name) => controls.find((control) => control.dataset.field.startsWith(`${name}.`))
  if (!field) return null
  for (let name = field; name; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
    const found = at(name) ?? inside(name)
    // "dataset" or "model" alone is no field of its own; something inside them may be another matter.
    if (found && (name === field || name.includes(".") || at(name))) return found
  }
  return null
}

/** Remove all errors that stand beside fields. */
export function clearErrors() {
  for (const error of document.querySelectorAll("p.field-error")) error.remove()
  for (const control of document.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid")
    const kept = (control.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => !id.startsWith("error-"))
    if (kept.join("")) control.setAttribute("aria-describedby", kept.join(" "))
    else control.removeAttribute("aria-describedby")
  }
}

/** Show errors beside their fields; return those that have none. `place` may find a control of its own. */
export function showErrors(errors, place = () => null) {
  clearErrors()
  return errors.filter(({ field, message }) => {
    const control = place(field) ?? controlOf(field)
    if (!control) return true
    const text = document.createElement("p")
    text.className = "field-error"
    text.id = `error-${++numbered}`
    const item = field.match(/\.(\d+)$/) // of a list that one field holds
    text.textContent = item ? `number ${Number(item[1]) + 1}: ${message}` : message
    control.setAttribute("aria-invalid", "true")
    const described = control.getAttribute("aria-describedby")
    control.setAttribute("aria-describedby", described ? `${text.id} ${described}` : text.id)
    ;(control.closest(".field, .drop") ?? control.parentElement).append(text)
    return false
  })
}

/** Move the focus to the first field that is wrong; return whether there is one. */
export function focusFirstError() {
  const first = document.querySelector('[aria-invalid="true"]')
  for (let parent = first?.parentElement; parent; parent = parent.parentElement) if (parent.matches("details")) parent.open = true
  first?.focus()
  return Boolean(first)
}

/** Call `take` with the file that is chosen in an input, or dropped on the box around it. */
export function takeFiles(input, take) {
  const box = input.closest(".drop")
  input.addEventListener("change", () => input.files[0] && take(input.files[0]))
  for (const name of ["dragenter", "dragover"]) {
    box.addEventListener(name, (event) => {
      event.preventDefault()
      box.classList.add("over")
    })
  }
  for (const name of ["dragleave", "drop"]) box.addEventListener(name, () => box.classList.remove("over"))
  box.addEventListener("drop", (event) => {
    event.preventDefault()
    if (!event.dataTransfer.files.length) return
    input.files = event.dataTransfer.files // so that its name stands in the input
    take(event.dataTransfer.files[0])
  })
  // A file that misses the box must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault())
  if (input.files[0]) take(input.files[0]) // chosen before this script was there, or kept by the browser
}

/** Make an element with texts, properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children.filter((child) => child !== null && child !== ""))
  return element
}

/** A table that becomes cards on a narrow screen, or scrolls there. `rows` are lists of cells: texts or elements. */
export function makeTable(label, head, rows, becomesCards = true) {
  const body = rows.map((cells) =>
    make("tr", {}, ...cells.map((cell, index) => {
      const element = make("td", {}, ...[cell ?? ""].flat())
      element.dataset.label = head[index]
      return element
    })),
  )
  const table = make("table", { className: becomesCards ? "cards" : "" },
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...body))
  const region = make("div", { className: "wide", tabIndex: 0 }, table)
  region.setAttribute("role", "region")
  region.setAttribute("aria-label", label)
  return region
}
