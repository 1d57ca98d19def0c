// Predicts a file of raw rows with one of a study's models.

import { Refusal, say, send } from "./api.js"
import { clearErrors, focusFirstError, make, makeTable, showErrors, takeFiles } from "./fields.js"

const MAX_SHOWN = 100
const form = document.getElementById("predict")
const byId = (id) => document.getElementById(id)
let isSending = false
let address = null // of the CSV

const number = (value) => (typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value))

function csvOf(predictions) {
  const cell = (value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value))
  const [head, rows] = tableOf(predictions, (value) => value)
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n"
}

function tableOf(predictions, write) {
  const first = predictions[0] ?? {}
  const classes = Object.keys(first.probabilities ?? {})
  const head = [...("id" in first ? ["id"] : []), "prediction", ...classes.map((name) => `p_${name}`)]
  const rows = predictions.map((row) => [...("id" in row ? [String(row.id)] : []), write(row.prediction), ...classes.map((name) => write(row.probabilities[name]))])
  return [head, rows]
}

/** Draw the answer; rows are numbered as the warnings do: where a file has a header, that is row 1. */
function draw({ predictions, unfamiliar }, file) {
  const firstRow = /\.(csv|tsv|txt|xlsx)(\.gz)?$/i.test(file.name) ? 2 : 1
  const [head, rows] = tableOf(predictions.slice(0, MAX_SHOWN), number)
  const shown = rows.length < predictions.length ? `; the first ${MAX_SHOWN} are shown` : ""
  const numbered = firstRow === 2 ? " Rows have the numbers of the file's, whose row 1 is the header." : ""
  byId("count").textContent = `${predictions.length.toLocaleString("en-US")} row${predictions.length === 1 ? "" : "s"}${shown}.${numbered}`
  byId("rows-table").replaceChildren(makeTable("Predictions of each row", ["row", ...head], rows.map((row, index) => [String(index + firstRow), ...row]), false))
  const said = unfamiliar.map((one) => make("li", {}, one.text))
  byId("unfamiliar").replaceChildren(said.length ? make("div", { className: "warning" }, make("ul", {}, ...said)) : "")
  if (address) URL.revokeObjectURL(address)
  address = URL.createObjectURL(new Blob([csvOf(predictions)], { type: "text/csv" }))
  byId("download").href = address
  byId("download").download = `${form.dataset.study} predictions.csv`
  byId("result").hidden = false
  byId("result").focus()
}

async function predict() {
  const file = byId("rows").files[0]
  if (!file) {
    showErrors([{ field: "file", message: "choose a file of rows" }])
    focusFirstError()
    return
  }
  const query = new URLSearchParams(byId("model").value)
  if (byId("id").value.trim()) query.set("id", byId("id").value.trim())
  const data = new FormData()
  data.append("file", file)
  const begun = Date.now()
  const tell = () => (byId("progress").textContent = `A process loads the model and predicts ${file.name}: ${Math.round((Date.now() - begun) / 1000)} s …`)
  const timer = setInterval(tell, 1000)
  tell()
  try {
    draw(await send("POST", `/v1/studies/${encodeURIComponent(form.dataset.study)}/predict?${query}`, data), file)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    byId("result").hidden = true
    const wrong = error.errors.length ? error.errors.map((one) => ({ ...one, field: one.field || "file" })) : [{ field: "file", message: error.message }]
    const without = showErrors(wrong)
    if (without.length) say(error.message)
    focusFirstError()
  } finally {
    clearInterval(timer)
    byId("progress").textContent = ""
  }
}

async function begin(event) {
  event?.preventDefault()
  if (isSending) return
  isSending = true
  byId("send").setAttribute("aria-disabled", "true")
  clearErrors()
  say()
  try {
    await predict()
  } finally {
    isSending = false
    byId("send").removeAttribute("aria-disabled")
  }
}

form?.addEventListener("submit", begin)
if (form) takeFiles(byId("rows"), () => clearErrors())
