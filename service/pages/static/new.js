// The form of a new study: what it would be is asked as it changes; nothing is kept before it is submitted.

import { Refusal, say, send } from "./api.js"
import { clearErrors, focusFirstError, make, makeTable, showErrors, takeFiles } from "./fields.js"
import { Latest } from "./latest.js"
import { chosen, formOf, readDocument, readOptions } from "./new_document.js"
import { describe, drawProfile } from "./new_profile.js"
import { drawOutlook, writeCurl } from "./new_outlook.js"

const facts = JSON.parse(document.getElementById("facts").textContent)
const form = document.getElementById("new")
const byId = (id) => document.getElementById(id)
const WAIT = 350 // milliseconds without a change before the server is asked

const FILE_FIELDS = new Set(["target", "task", "name", "encoding", "sheet", "weight", "group", "time"]) // others are of the file

const corrections = new Map() // of the file's columns, by name
let file = null
let described = null // the file's profile with a target, as the API gives it
let known = null // the chosen dataset's facts
let keras = null // the `model` that was read
let fileErrors = []
let modelErrors = []
const reading = new Latest(readFile)
const readingModel = new Latest(readModel)
const checking = new Latest(check)
let key = null // of the document that was sent last
let isSending = false

// Data

function data() {
  if (chosen("source") === "known") return known
  return described === null ? null : described.profile.facts
}

/** The dataset as a study's document names it before the file is uploaded. */
function dataset() {
  if (chosen("source") === "known") {
    const [kind, ...name] = byId("known").value.split("/")
    return { kind, name: name.join("/") }
  }
  if (described === null) return null
  const { name, digest, format, options } = described
  return { kind: "uploaded", name, digest, format, options, known: described.profile.facts, path: file.name }
}

async function readFile(signal) {
  if (file === null) return
  described = null
  byId("data-facts").textContent = `Reading ${file.name} …`
  try {
    let answer = await send("POST", "/v1/datasets/profile", formOf(file, readOptions(corrections)), { signal })
    fileErrors = []
    if (answer.target === null) {
      offerTargets(answer)
      // Shown at once with the likely target; where it cannot be one, that is said beside it.
      drawProfile(byId("profile"), answer.profile, corrections, () => reading.now())
      answer = await send("POST", "/v1/datasets/profile", formOf(file, readOptions(corrections)), { signal })
    }
    described = answer
    byId("data-facts").textContent = `${describe(answer.profile.facts)}: ${answer.profile.why}.`
    drawProfile(byId("profile"), answer.profile, corrections, () => reading.now())
    if (!byId("dataset.name").value) byId("dataset.name").placeholder = answer.name
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    byId("data-facts").textContent = ""
    fileErrors = error.errors.length ? error.errors : [{ field: "", message: error.message }]
    fileErrors = fileErrors.map(({ field, message }) => ({ field: FILE_FIELDS.has(field) ? `dataset.${field}` : "dataset.file", message }))
  }
  dataChanged()
}

function offerTargets(answer) {
  const names = answer.profile.columns.filter((column) => column.kind !== "images").map((column) => column.name)
  byId("dataset.target").replaceChildren(...names.map((name) => make("option", { value: name }, name)))
  byId("dataset.target").value = answer.suggested_target ?? names[0] ?? ""
  byId("reading").hidden = false
}

function takeFile(taken) {
  file = taken
  described = null
  corrections.clear()
  byId("dataset.target").replaceChildren()
  byId("profile").replaceChildren()
  byId("reading").hidden = true
  for (const name of ["task", "name", "encoding", "sheet"]) byId(`dataset.${name}`).value = ""
  for (const name of ["drop_missing_target", "drop_rare_classes"]) byId(`dataset.${name}`).checked = false
  reading.now()
}

async function takeKnown() {
  reading.drop()
  const { kind, name } = dataset()
  known = facts.datasets[`${kind}/${name}`]
  byId("data-facts").textContent = `${describe(known)}: ${known.about}.`
  byId("profile").replaceChildren()
  dataChanged()
  if (kind !== "uploaded") return
  const isStillChosen = () => chosen("source") === "known" && byId("known").value === `${kind}/${name}`
  try {
    const detail = await send("GET", `/v1/datasets/${encodeURIComponent(name)}`)
    if (isStillChosen()) drawProfile(byId("profile"), detail.profile)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (isStillChosen()) say(error.message)
  }
}

/** What follows from the data: whether a CNN can be chosen, and what can be judged by. */
function dataChanged() {
  const isTable = data()?.shape.length !== 3
  const cnn = form.querySelector('[name="model"][value="cnn"]')
  cnn.disabled = isTable
  byId("cnn-note").hidden = !isTable || data() === null
  if (isTable && cnn.checked) form.querySelector('[name="model"][value="mlp"]').click()
  const objectives = byId("objectives")
  const before = objectives.value
  objectives.replaceChildren(...(facts.objectives[data()?.task ?? "binary"]).map((name) => make("option", { value: name }, name)))
  objectives.value = [...objectives.options].some((option) => option.value === before) ? before : "val_loss"
  change()
}

// Model

async function readModel(signal, content) {
  keras = null
  modelErrors = []
  byId("layers").textContent = "Reading the model …"
  try {
    const read = await send("POST", "/v1/models/read", formOf(content, []), { signal })
    keras = read.model
    const rows = read.layers.map((layer) => [layer.name, layer.kind, layer.output_shape?.join(" × ") ?? "?", layer.parameters?.toLocaleString("en-US") ?? "?"])
    const total = read.parameters === null ? "The shape of its input is open." : `${read.parameters.toLocaleString("en-US")} parameters.`
    byId("layers").replaceChildren(make("p", {}, `${read.name}: ${read.layers.length} layers. ${total}`), makeTable("Layers", ["layer", "kind", "gives", "parameters"], rows))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    byId("layers").textContent = ""
    modelErrors = error.errors.length ? error.errors : [{ field: "model.config", message: error.message }]
  }
  change()
}

function forgetModel() {
  readingModel.drop()
  keras = null
  modelErrors = []
  byId("layers").replaceChildren()
  change()
}

// What the study would be

function change() {
  key = null
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

/** The errors that are known without asking for the whole study. */
function ownErrors() {
  const errors = [...(chosen("source") === "file" ? fileErrors : []), ...(chosen("model") === "keras" ? modelErrors : [])]
  if (errors.length) return errors
  if (chosen("source") === "file" && file === null) return [{ field: "dataset.file", message: "choose a file, or data that is here" }]
  if (chosen("model") === "keras" && keras === null) return [{ field: "model.config", message: "drop, choose or paste a model" }]
  return []
}

/** Ask what the study would be; return it, or null where it would be refused, which is shown. */
async function check(signal) {
  const begun = file !== null || chosen("source") === "known"
  if (ownErrors().length || dataset() === null) {
    if (begun) show(ownErrors())
    drawOutlook(null)
    return null
  }
  const document = readDocument(dataset(), keras)
  try {
    const checked = await send("POST", "/v1/studies/check", document, { signal })
    const taken = checked.name_is_free ? [] : [{ field: "name", message: `a study named '${document.name}' exists; choose another name or delete it first` }]
    show(taken)
    drawOutlook(checked)
    byId("yaml").textContent = checked.yaml
    byId("curl").textContent = writeCurl(document, chosen("source") === "file" ? { file, options: readOptions(corrections), name: described.name } : null, facts.needsKey)
    return taken.length ? null : checked
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    show(error.errors.length ? error.errors : [{ field: "", message: error.message }])
    drawOutlook(null)
    return null
  }
}

// Submitting

async function submit() {
  byId("progress").textContent = "Checking …"
  await Promise.all([reading.settled(), readingModel.settled()])
  const missing = ownErrors()
  if (missing.length) show(missing)
  if (missing.length || (await checking.now()) === null) {
    byId("progress").textContent = ""
    if (!focusFirstError()) byId("others").scrollIntoView({ block: "center" })
    return
  }
  let uploaded = null
  try {
    if (chosen("source") === "file") uploaded = await upload()
    const body = readDocument(uploaded?.dataset ?? dataset(), keras)
    byId("progress").textContent = "Submitting …"
    key ??= newKey()
    const study = await send("POST", "/v1/studies", body, { headers: { "Idempotency-Key": key } })
    location.assign(`/studies/${encodeURIComponent(study.name)}`)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    byId("progress").textContent = ""
    if (uploaded?.isNew && error.status) await takeBack(uploaded.dataset)
    // A conflict is with another study; the fields that it names are those in which the two differ.
    show(error.status === 409 ? [] : error.errors)
    if (!focusFirstError()) say(error.message)
  }
}

async function upload() {
  byId("progress").textContent = `Sending ${file.name} …`
  let isNew = false
  const kept = await send("POST", "/v1/datasets", formOf(file, readOptions(corrections)), { seen: (response) => (isNew = response.status === 201) })
  return { isNew, dataset: { kind: "uploaded", name: kept.name, version: kept.version } }
}

/** Remove the dataset of a study that was refused, or say that it stays. */
async function takeBack({ name, version }) {
  const stays = `The file stays here as version ${version} of the dataset '${name}'.`
  try {
    if (facts.mayDelete) await send("DELETE", `/v1/datasets/${encodeURIComponent(name)}?version=${version}`)
    else byId("progress").textContent = stays
  } catch {
    byId("progress").textContent = stays
  }
}

/** A text that nobody guesses; crypto.randomUUID needs TLS on other machines. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")
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

form.addEventListener("input", (event) => {
  if (event.target.closest("#profile") || event.target.type === "file") return
  if (event.target.id === "model-text") {
    if (event.target.value.trim()) readingModel.soon(WAIT, new Blob([event.target.value]))
    else forgetModel()
  } else if (event.target.name === "source") {
    clearErrors()
    byId("profile").replaceChildren()
    if (chosen("source") === "known") takeKnown()
    else if (file) reading.now()
    else {
      byId("data-facts").textContent = ""
      dataChanged()
    }
  } else if (event.target.id === "known") takeKnown()
  else if (event.target.dataset.field?.startsWith("dataset.")) {
    key = null
    reading.soon(event.target.matches("select, [type=checkbox]") ? 0 : WAIT)
  } else change()
})
takeFiles(byId("file"), takeFile)
takeFiles(byId("model-file"), (taken) => {
  byId("model-text").value = ""
  readingModel.now(taken)
})
dataChanged()
