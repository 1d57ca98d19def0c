// The data of a new study: a file, which is profiled again after each correction, or data that is here.

import { Refusal, say, send } from "./api.js"
import { clearErrors, make, takeFiles } from "./fields.js"
import { Latest } from "./latest.js"
import { chosen, facts, formOf, readOptions } from "./new_document.js"
import { describe, drawProfile } from "./new_profile.js"

const byId = (id) => document.getElementById(id)
const FILE_FIELDS = new Set(["target", "task", "name", "encoding", "sheet", "weight", "group", "time"]) // others are of the file

const corrections = new Map() // of the file's columns, by name
const reading = new Latest(readFile)
let changed = () => {}
let file = null
let described = null // the file's profile with a target, as the API gives it
let known = null // the chosen dataset's facts
let fileErrors = []

const isKnown = () => chosen("source") === "known"

/** Begin to take data; `whenChanged` is called when it has become other data. */
export function beginData(whenChanged) {
  changed = whenChanged
  takeFiles(byId("file"), takeFile)
}

/** Whether somebody chose data, which may be wrong. */
export const hasData = () => isKnown() || file !== null

/** What is known of the data: its rows, shape and task; null where there is none yet. */
export const dataFacts = () => (isKnown() ? known : (described?.profile.facts ?? null))

/** Its columns, as a model of several inputs finds them by name. */
const inputColumns = ({ columns }) =>
  columns
    .filter((column) => column.role === "feature" && column.inputs)
    .map(({ name, shape, inputs, kind }) => ({ name, shape: shape.length ? shape : [inputs], category: kind === "category" }))

/** The dataset as a study's document names it before the file is uploaded; null where there is none yet. */
export function dataset(hasColumns) {
  if (isKnown()) {
    const [kind, ...name] = byId("known").value.split("/")
    return { kind, name: name.join("/") }
  }
  if (described === null) return null
  const { name, digest, format, options } = described
  const columns = hasColumns && described.profile.facts.shape.length === 1 ? { columns: inputColumns(described.profile) } : {}
  return { kind: "uploaded", name, digest, format, options, known: described.profile.facts, ...columns, path: file.name }
}

/** The file that is to be uploaded, with what is said of it, and its dataset's name; null for data that is here. */
export const upload = () => (isKnown() ? null : { file, options: readOptions(corrections), name: described.name })

/** What is wrong with the data. */
export function dataErrors() {
  if (isKnown()) return []
  return file === null ? [{ field: "dataset.file", message: "choose a file, or data that is here" }] : fileErrors
}

/** Read the file again, so many milliseconds after the last change of how it is to be read. */
export const readAgain = (milliseconds) => reading.soon(milliseconds)

/** Wait until the file is read. */
export const dataSettled = () => reading.settled()

const profileOf = (signal) => send("POST", "/v1/datasets/profile", formOf(file, readOptions(corrections)), { signal })
const drawFile = (answer) => drawProfile(byId("profile"), answer.profile, corrections, () => reading.now())

async function readFile(signal) {
  if (file === null) return
  described = null
  byId("data-facts").textContent = `Reading ${file.name} …`
  try {
    let answer = await profileOf(signal)
    fileErrors = []
    if (answer.target === null) {
      offerTargets(answer)
      drawFile(answer) // at once; where the likely target cannot be one, that is said beside it
      answer = await profileOf(signal)
    }
    described = answer
    byId("data-facts").textContent = `${describe(answer.profile.facts)}: ${answer.profile.why}.`
    drawFile(answer)
    if (!byId("dataset.name").value) byId("dataset.name").placeholder = answer.name
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    byId("data-facts").textContent = ""
    const errors = error.errors.length ? error.errors : [{ field: "", message: error.message }]
    fileErrors = errors.map(({ field, message }) => ({ field: FILE_FIELDS.has(field) ? `dataset.${field}` : "dataset.file", message }))
  }
  changed()
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

/** Show the data of the source that was chosen: the file, or the dataset that is here. */
export function sourceChanged() {
  clearErrors()
  byId("profile").replaceChildren()
  if (isKnown()) takeKnown()
  else if (file) reading.now()
  else {
    byId("data-facts").textContent = ""
    changed()
  }
}

/** Take the dataset that is chosen among those that are here. */
export async function takeKnown() {
  reading.drop()
  const { kind, name } = dataset()
  known = facts.datasets[`${kind}/${name}`]
  byId("data-facts").textContent = `${describe(known)}: ${known.about}.`
  byId("profile").replaceChildren()
  changed()
  if (kind !== "uploaded") return
  const isStillChosen = () => isKnown() && byId("known").value === `${kind}/${name}`
  try {
    const detail = await send("GET", `/v1/datasets/${encodeURIComponent(name)}`)
    if (isStillChosen()) drawProfile(byId("profile"), detail.profile)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (isStillChosen()) say(error.message)
  }
}
