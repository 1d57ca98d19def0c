// Shows what a study would be: its time and warnings; and the requests that make it.

import { at } from "./api.js"
import { make } from "./fields.js"

/** Draw the time that a checked study takes, and what is said of it; null while there is none. */
export function drawOutlook(checked) {
  const place = document.getElementById("outlook")
  place.classList.remove("stale")
  if (checked === null) {
    place.replaceChildren(make("p", { className: "note" }, "What it would take is shown once all fields are right."))
    return
  }
  const { estimate, trials, fits, warnings } = checked
  const count = `${trials.toLocaleString("en-US")} trials${fits > trials ? `, ${fits.toLocaleString("en-US")} trainings at most` : ""}`
  const time = estimate === null ? [] : [make("p", { className: "large" }, `about ${estimate.duration}`)]
  const why = estimate === null ? [] : [make("p", { className: "note" }, `${estimate.why[0].toUpperCase()}${estimate.why.slice(1)}.`)]
  place.replaceChildren(...time, make("p", {}, count), ...why, ...warnings.map((text) => make("p", { className: "warning" }, text)))
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`

/** Write the requests that upload the file, if there is one, and submit the study. */
export function writeCurl(document, upload, needsKey, inProject) {
  const key = needsKey ? ' \\\n  -H "Authorization: Bearer $REGSWEEP_KEY"' : ""
  const address = (path) => (inProject ? quote(`${location.origin}${at(path)}${inProject}`) : `${location.origin}${at(path)}`)
  const lines = []
  let body = document
  if (upload) {
    const named = upload.options.some(([name]) => name === "name") ? upload.options : [...upload.options, ["name", upload.name]]
    // curl reads signs such as ; and @ in what -F gives, unless a file's name stands in quotes; --form-string takes a text as it is.
    const path = upload.file.name.replace(/[\\"]/g, "\\$&")
    const parts = [["-F", `file=@"${path}"`], ...named.map(([name, text]) => ["--form-string", `${name}=${text}`])]
    lines.push(`curl ${address("/v1/datasets")}${key}${parts.map(([option, text]) => ` \\\n  ${option} ${quote(text)}`).join("")}`)
    body = { ...document, dataset: { kind: "uploaded", name: upload.name } }
  }
  lines.push(`curl ${address("/v1/studies")}${key} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(JSON.stringify(body, null, 2))}`)
  return lines.join("\n\n")
}
