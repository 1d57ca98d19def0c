// Shows how a file was read, column by column, and takes corrections.

import { make, makeTable } from "./fields.js"

const MAX_SHOWN = 100
const ROLES = [["", "input"], ["ignore", "left out"], ["weight", "weight of a row"], ["group", "group"], ["time", "time"]]
const KINDS = [["number", "number"], ["category", "category"], ["merged", "category, letter case aside"], ["date", "date"], ["text", "text"]]
const short = (value) => (typeof value === "number" ? Number(value.toPrecision(4)).toLocaleString("en-US") : String(value).replace(/T00:00:00.*/, ""))

function valuesOf(column) {
  const lacking = column.missing ? `; ${column.missing.toLocaleString("en-US")} missing` : ""
  if (column.levels.length) {
    const names = column.levels.slice(0, 4).map((level) => `${level.name} (${level.rows})`)
    return names.join(", ") + (column.distinct > 4 ? `, … ${column.distinct} values` : "") + lacking
  }
  return column.low === null ? lacking.slice(2) : `${short(column.low)} … ${short(column.high)}${lacking}`
}

function select(label, options, value, change) {
  const box = make("select", {}, ...options.map(([name, text]) => make("option", { value: name, selected: name === value }, text)))
  box.setAttribute("aria-label", label)
  box.addEventListener("change", () => change(box.value))
  return box
}

function correctable(column, corrections, changed) {
  const said = corrections.get(column.name) ?? { role: "", kind: "" }
  const correct = (part) => (value) => {
    corrections.set(column.name, { ...(corrections.get(column.name) ?? { role: "", kind: "" }), [part]: value })
    changed()
  }
  const seen = [["", said.kind ? "as its values say" : column.role === "ignored" ? "not read" : column.kind], ...KINDS]
  const kind = column.kind === "images" ? "images" : select(`${column.name}: read as`, seen, said.kind, correct("kind"))
  const role = column.role === "target" ? "target" : select(`${column.name}: used as`, isUnused(column) ? [["", "not used"], ...ROLES.slice(1)] : ROLES, said.role, correct("role"))
  if (role !== "target") role.dataset.column = column.name
  return [kind, column.kind === "images" ? "input" : role]
}

const isUnused = (column) => column.role === "feature" && !column.inputs

function notesOf(column) {
  const texts = column.warnings ?? []
  const why = column.left_out && !texts.some((text) => text.startsWith(column.left_out)) && column.left_out !== "as asked"
  return [...texts, ...(why ? [`${column.left_out}, and is left out`] : [])].map((text) => make("div", { className: "warning" }, text))
}

/** Draw a profile; with `corrections`, a Map of the columns' names, each can be corrected, which calls `changed`. */
export function drawProfile(place, profile, corrections, changed, all = false) {
  const shown = all ? profile.columns : profile.columns.slice(0, MAX_SHOWN)
  const rows = shown.map((column) => {
    const [kind, role] = corrections ? correctable(column, corrections, changed) : [column.kind, column.role]
    return [make("b", {}, column.name), kind, role, valuesOf(column), notesOf(column)]
  })
  const table = makeTable("Columns", ["column", "read as", "used as", "values", "look at"], rows)
  table.classList.add("columns-table")
  for (const [index, row] of [...table.querySelectorAll("tbody tr")].entries()) {
    row.classList.toggle("left-out", isUnused(shown[index]) || shown[index].role === "ignored")
    row.classList.toggle("target", shown[index].role === "target")
    row.cells[3].className = "values"
    row.cells[4].className = "whole"
    row.cells[0].className = "whole"
  }
  const named = new Set(profile.columns.flatMap((column) => column.warnings ?? []))
  const others = profile.warnings.filter((text) => ![...named].some((own) => text.endsWith(own)))
  const more = shown.length < profile.columns.length
    ? make("button", { type: "button", onclick: () => drawProfile(place, profile, corrections, changed, true) }, `Show all ${profile.columns.length} columns`)
    : null
  place.replaceChildren(...others.map((text) => make("p", { className: "warning" }, text)), table, ...(more ? [more] : []))
}

/** Say in one line what was read. */
export function describe(facts) {
  const size = facts.shape.length === 3 ? `images of ${facts.shape.join(" × ")}` : `${facts.shape[0].toLocaleString("en-US")} input${facts.shape[0] === 1 ? "" : "s"}`
  const task = facts.task === "regression" ? "a regression" : `${facts.classes} classes`
  return `${facts.rows.toLocaleString("en-US")} rows, ${size}, ${task}`
}
