// The form of a new study: what it would be is asked as it changes; nothing is kept before it is submitted.

import { Refusal, at, say, send } from "./api.js"
import { focusFirstError, make, showErrors } from "./fields.js"
import { Latest } from "./latest.js"
import { beginData, dataErrors, dataFacts, dataset, dataSettled, hasData, readAgain, sourceChanged, takeKnown, upload } from "./new_data.js"
import { chosen, facts, readDocument } from "./new_document.js"
import { beginModel, hasInputs, kerasModel, modelErrors, modelSettled, readText } from "./new_model.js"
import { drawOutlook, writeCurl } from "./new_outlook.js"
import { inProject, projectOf, submitStudy, tell } from "./new_submission.js"

const form = document.getElementById("new")
const byId = (id) => document.getElementById(id)
const WAIT = 350 // milliseconds without a change before the server is asked

const checking = new Latest(check)
let isSending = false

const ownErrors = () => [...dataErrors(), ...modelErrors()]

/** What follows from the data: whether a CNN can be chosen, and what can be judged by. */
function dataChanged() {
  const isTable = dataFacts()?.shape.length !== 3
  const cnn = form.querySelector('[name="model"][value="cnn"]')
  cnn.disabled = isTable
  byId("cnn-note").hidden = !isTable || dataFacts() === null
  if (isTable && cnn.checked) form.querySelector('[name="model"][value="mlp"]').click()
  const objectives = byId("objectives")
  const before = objectives.value
  objectives.replaceChildren(...facts.objectives[dataFacts()?.task ?? "binary"].map((name) => make("option", { value: name }, name)))
  objectives.value = [...objectives.options].some((option) => option.value === before) ? before : "val_loss"
  change()
}

function change() {
  for (const part of form.querySelectorAll("[data-when]")) part.hidden = !holds(part.dataset.when)
  byId("outlook").classList.add("stale")
  checking.soon(WAIT)
}

function holds(when) {
  const [name, wanted] = when.split("=")
  const kind = byId("resampling.kind").value
  if (when === "folds") return kind !== "holdout"
  if (when === "repeats") return kind === "repeated_kfold"
  return when === "compare" ? byId("compare").checked : chosen(name) === wanted
}

/** The select of the column that has a role, of which something is wrong. */
function columnOf(field) {
  const role = field?.match(/^dataset\.(weight|group|time)$/)?.[1]
  return role ? [...document.querySelectorAll("select[data-column]")].find((select) => select.value === role) : null
}

/** Where the page shows what is wrong with a field that has another name there. */
function place(field) {
  const kind = chosen("model")
  const column = columnOf(field)
  if (column) return column
  const own = field?.match(/^model\.(.+?)(\.\d+)?$/)
  return (own && byId(`model.${kind}.${own[1]}`)) || null
}

function show(errors) {
  const without = showErrors(errors, place)
  byId("others").replaceChildren(...without.map(({ field, message }) => make("p", { className: "field-error" }, field ? `${field}: ${message}` : message)))
}

/** Say why the name cannot be had, with the way to the study that has it; nothing where it is free. */
function showConflict(name, sentence) {
  show(sentence === null ? [] : [{ field: "name", message: sentence }])
  if (sentence === null) return
  byId("others").append(make("a", { href: at(`/studies/${encodeURIComponent(name)}`), target: "_blank" }, `Open '${name}'`))
}

/**
 * Ask what the study would be; return its document and its file, as `submitStudy` takes them, or null where it would be
 * refused, which is shown. Both are of the moment when it was asked, for the form may change meanwhile.
 */
async function check(signal) {
  const [errors, data] = [ownErrors(), dataset(hasInputs())]
  if (errors.length || data === null) {
    if (hasData()) show(errors)
    drawOutlook(null)
    return null
  }
  const study = { document: readDocument(data, kerasModel()), upload: upload() }
  try {
    const checked = await send("POST", "/v1/studies/check", study.document, { signal })
    showConflict(checked.spec.name, checked.name_conflict)
    drawOutlook(checked)
    byId("yaml").textContent = checked.yaml
    byId("curl").textContent = writeCurl(study.document, study.upload, facts.needsKey, inProject(projectOf(study.document)))
    return checked.name_is_free ? study : null
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    show(error.errors.length ? error.errors : [{ field: "", message: error.message }])
    drawOutlook(null)
    return null
  }
}

async function submit() {
  tell("Checking …")
  await Promise.all([dataSettled(), modelSettled()])
  const missing = ownErrors()
  if (missing.length) show(missing)
  else checking.now()
  const checked = missing.length ? null : await checking.settled()
  if (checked === null) {
    tell("")
    if (!focusFirstError()) byId("others").scrollIntoView({ block: "center" })
    return
  }
  try {
    const study = await submitStudy(checked)
    location.assign(at(`/studies/${encodeURIComponent(study.name)}`))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    // A conflict is with another study; the fields that it names are those in which the two differ.
    show(error.status === 409 ? [] : error.errors)
    if (!focusFirstError()) say(error.message)
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault()
  if (isSending) return
  isSending = true
  say()
  byId("submit").setAttribute("aria-disabled", "true")
  try {
    await submit()
  } finally {
    isSending = false
    byId("submit").removeAttribute("aria-disabled")
  }
})

form.addEventListener("input", ({ target }) => {
  if (target.closest("#profile") || target.type === "file") return
  if (target.id === "model-text") readText(target.value, WAIT)
  else if (target.name === "source") sourceChanged()
  else if (target.id === "known") takeKnown()
  else if (target.dataset.field?.startsWith("dataset.")) readAgain(target.matches("select, [type=checkbox]") ? 0 : WAIT)
  else change()
})
beginData(dataChanged)
beginModel(change)
dataChanged()
