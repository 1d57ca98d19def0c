// A Keras model of a new study: dropped, chosen or pasted, and read by the server.

import { Refusal, send } from "./api.js"
import { make, makeTable, takeFiles } from "./fields.js"
import { Latest } from "./latest.js"
import { chosen, formOf } from "./new_document.js"

const byId = (id) => document.getElementById(id)
const reading = new Latest(readModel)
let changed = () => {}
let keras = null // the `model` that was read
let drops = null // whether a layer of it drops
let refused = []

/** Begin to take models; `whenChanged` is called when there is another one. */
export function beginModel(whenChanged) {
  changed = whenChanged
  takeFiles(byId("model-file"), (taken) => {
    byId("model-text").value = ""
    reading.now(taken)
  })
}

/** The `model` of a study's document that was read; null where none was. */
export const kerasModel = () => keras

/** Whether the model that is chosen has several inputs, which take columns by name. */
export const hasInputs = () => chosen("model") === "keras" && byId("inputs").childElementCount > 0

/** What is wrong with the model, where one is chosen. */
export function modelErrors() {
  if (chosen("model") !== "keras") return []
  return keras === null && !refused.length ? [{ field: "model.config", message: "drop, choose or paste a model" }] : refused
}

/** Read the text of a model, so many milliseconds after the last change; without one, forget the model. */
export function readText(text, milliseconds) {
  if (text.trim()) reading.soon(milliseconds, new Blob([text]))
  else forget()
}

/** Wait until the model is read. */
export const modelSettled = () => reading.settled()

async function readModel(signal, content) {
  keras = null
  refused = []
  byId("layers").textContent = "Reading the model …"
  try {
    const read = await send("POST", "/v1/models/read", formOf(content, []), { signal })
    keras = read.model
    // As `regsweep.sweep` does, for else a dropout rate would do nothing; who chose otherwise for this model keeps that.
    if (read.drops !== drops) byId("model.insert_dropout").checked = !read.drops
    drops = read.drops
    draw(read)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    byId("layers").textContent = ""
    byId("inputs").replaceChildren()
    refused = error.errors.length ? error.errors : [{ field: "model.config", message: error.message }]
  }
  changed()
}

const count = (number) => number.toLocaleString("en-US")

/** A field for each of several inputs, in which its columns may be named; what was said of one of that name stays. */
function drawInputs(inputs) {
  const said = new Map([...byId("inputs").querySelectorAll("textarea")].map((box) => [box.dataset.input, box.value]))
  const fields = inputs.map(({ name, shape }, index) => {
    const [id, what] = [`model-input-${index}`, `Columns of the input ${name} (${shape.join(" × ")})`]
    const box = make("textarea", { id, rows: 2, spellcheck: false, autocomplete: "off", value: said.get(name) ?? "" })
    box.dataset.field = `model.inputs.${name}`
    box.dataset.input = name
    return make("div", { className: "field" }, make("label", { htmlFor: id }, what), box, make("p", { className: "note" }, "One name a line; empty for the column or array of its own name."))
  })
  byId("inputs").replaceChildren(...(inputs.length > 1 ? fields : []))
}

function draw({ name, layers, parameters, inputs }) {
  drawInputs(inputs)
  const rows = layers.map((layer) => [layer.name, layer.kind, layer.output_shape?.join(" × ") ?? "?", layer.parameters === null ? "?" : count(layer.parameters)])
  const total = parameters === null ? "The shape of its input is open." : `${count(parameters)} parameters.`
  byId("layers").replaceChildren(make("p", {}, `${name}: ${layers.length} layers. ${total}`), makeTable("Layers", ["layer", "kind", "gives", "parameters"], rows))
}

function forget() {
  reading.drop()
  keras = null
  drops = null
  refused = []
  byId("layers").replaceChildren()
  byId("inputs").replaceChildren()
  changed()
}
