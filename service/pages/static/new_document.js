// Reads the form as a study's document, without what is a default; and as the options of its file.

const form = document.getElementById("new")
const byId = (id) => document.getElementById(id)

/** What the page knows of datasets and of what may be done. */
export const facts = JSON.parse(byId("facts").textContent)

export const chosen = (name) => form.elements[name].value

/** A number where the text is one; else the text, of which the API says what would be right. */
function value(text) {
  const number = Number(text.replace(",", "."))
  return text.trim() === "" || Number.isNaN(number) ? text.trim() : number
}

const list = (text) => text.split(/[\s,;]+/).filter(Boolean).map(value)

function isChanged(input) {
  if (input.matches("select")) return !input.selectedOptions[0]?.defaultSelected
  return input.type === "checkbox" ? input.checked !== input.defaultChecked : input.value !== input.defaultValue
}

function put(document, path, what) {
  const keys = path.split(".")
  const last = keys.pop()
  let place = document
  for (const key of keys) place = place[key] ??= {}
  place[last] = what
}

function range(id, isLogarithmic) {
  const [low, high] = [byId(`${id}.low`), byId(`${id}.high`)]
  if (!isChanged(low) && !isChanged(high)) return undefined
  if (!low.value.trim() && !high.value.trim()) return null
  if (!high.value.trim() || low.value.trim() === high.value.trim()) return value(low.value)
  const ends = { low: value(low.value), high: value(high.value) }
  return isLogarithmic ? { ...ends, log: true } : ends
}

function readModel(keras) {
  const kind = chosen("model")
  if (kind === "keras") {
    const insert = byId("model.insert_dropout").checked
    const inputs = {}
    for (const box of document.querySelectorAll("[data-input]")) {
      const names = box.value.split("\n").map((name) => name.trim()).filter(Boolean)
      if (names.length) inputs[box.dataset.input] = names
    }
    return { ...(keras ?? { kind, config: "" }), ...(insert ? { insert_dropout: true } : {}), ...(Object.keys(inputs).length ? { inputs } : {}) }
  }
  const model = { kind }
  for (const input of document.querySelectorAll(`[data-field^="model.${kind}."]`)) {
    if (!isChanged(input)) continue
    const name = input.dataset.field.split(".").pop()
    if (input.type === "checkbox") model[name] = input.checked
    else if (input.matches("select")) model[name] = input.value
    else model[name] = /units|filters/.test(name) ? list(input.value) : value(input.value)
  }
  return model
}

function readSpace(document) {
  const kinds = [...form.elements.regularizer].filter((box) => box.checked).map((box) => box.value)
  if (kinds.length < form.elements.regularizer.length) put(document, "space.regularizer", kinds)
  for (const [name, isLogarithmic] of [["lambda", true], ["dropout", false], ["patience", false], ["learning_rate", true]]) {
    const found = range(`space.${name}`, isLogarithmic)
    if (found !== undefined) put(document, `space.${name}`, name === "dropout" && found === null ? 0 : found)
  }
  if (isChanged(byId("space.batch_size"))) put(document, "space.batch_size", readSizes(byId("space.batch_size").value))
}

function readSizes(text) {
  const sizes = list(text)
  return sizes.length > 1 ? sizes : value(text)
}

/** The document of the study; `dataset` and `keras` are what the page knows of its data and its model. */
export function readDocument(dataset, keras) {
  const document = {}
  const name = byId("name").value.trim()
  if (name) document.name = name
  document.dataset = dataset
  document.model = readModel(keras)
  readSpace(document)
  const objective = byId("objectives").value
  if (objective && objective !== "val_loss") document.objectives = [objective]
  const kind = byId("resampling.kind").value
  if (kind !== "holdout") {
    put(document, "resampling.kind", kind)
    if (isChanged(byId("resampling.folds"))) put(document, "resampling.folds", value(byId("resampling.folds").value))
    const repeats = byId("resampling.repeats")
    if (kind !== "kfold" && isChanged(repeats)) put(document, "resampling.repeats", value(repeats.value))
  }
  // A person says these two, also where they are the defaults.
  for (const field of ["budget.trials", "budget.epochs"]) put(document, field, value(byId(field).value))
  const minutes = value(byId("budget.timeout_seconds").value)
  if (minutes !== "") put(document, "budget.timeout_seconds", typeof minutes === "number" ? 60 * minutes : minutes)
  if (byId("compare").checked) {
    document.comparison = {}
    for (const input of window.document.querySelectorAll('[data-field^="comparison."]')) {
      if (isChanged(input)) put(document, input.dataset.field, value(input.value))
    }
  }
  return document
}

const kindOf = (kind) => (kind === "merged" ? { kind: "category", merge_spellings: true } : { kind })

/** What is said of the file: the options of an upload. `columns` are the corrections of its columns, by name. */
export function readOptions(columns) {
  const options = []
  for (const name of ["target", "task", "name", "encoding", "sheet"]) {
    const text = byId(`dataset.${name}`).value.trim()
    if (text) options.push([name, text])
  }
  for (const name of ["drop_missing_target", "drop_rare_classes"]) {
    if (byId(`dataset.${name}`).checked) options.push([name, "true"])
  }
  const target = byId("dataset.target").value
  const kinds = {}
  for (const [column, { role, kind }] of columns) {
    if (column === target) {
      if (kind) kinds[column] = kindOf(kind)
    } else if (role === "ignore") options.push(["ignore", column])
    else if (role) options.push([role, column])
    if (kind && column !== target && role !== "ignore") kinds[column] = kindOf(kind)
  }
  if (Object.keys(kinds).length) options.push(["columns", JSON.stringify(kinds)])
  return options
}

/** The parts of an upload as a form. */
export function formOf(file, options) {
  const data = new FormData()
  for (const [name, text] of options) data.append(name, text)
  data.append("file", file)
  return data
}
