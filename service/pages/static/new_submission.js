// Submits a new study: its file first, then the study, once.

import { Refusal, send } from "./api.js"
import { facts, formOf } from "./new_document.js"

const sent = { body: null, key: null } // last: the same study has the same key when it is sent again, so that it is made once

/** Say how far the submission is. */
export function tell(text) {
  document.getElementById("progress").textContent = text
}

/**
 * Upload a study's file, if it has one, and submit its document with the dataset that the file became; return the study.
 * When the study is refused, a file that was new is removed again.
 */
export async function submitStudy({ document, upload }) {
  let uploaded = null
  try {
    if (upload !== null) uploaded = await sendFile(upload)
    tell("Submitting …")
    const body = { ...document, dataset: uploaded?.dataset ?? document.dataset }
    const path = `/v1/studies${inProject(chosenProject() || uploaded?.project || projectOf(document))}`
    return await send("POST", path, body, { headers: { "Idempotency-Key": keyOf(path, body) } })
  } catch (error) {
    tell("")
    if (error instanceof Refusal && error.status && uploaded?.isNew) await takeBack(uploaded.dataset)
    throw error
  }
}

async function sendFile({ file, options }) {
  tell(`Sending ${file.name} …`)
  let isNew = false
  const kept = await send("POST", `/v1/datasets${inProject(chosenProject())}`, formOf(file, options), { seen: (response) => (isNew = response.status === 201) })
  return { isNew, project: kept.project, dataset: { kind: "uploaded", name: kept.name, version: kept.version } }
}

/** Remove the dataset of a study that was refused, or say that it stays. */
async function takeBack({ name, version }) {
  const stays = `The file stays here as version ${version} of the dataset '${name}'.`
  try {
    if (facts.mayDelete) await send("DELETE", `/v1/datasets/${encodeURIComponent(name)}?version=${version}`)
    else tell(stays)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    tell(stays)
  }
}

/** The project that was chosen; empty for that of the data, or where there is no choice. */
function chosenProject() {
  return document.getElementById("project")?.value ?? ""
}

/** The project of a study that is submitted now: the one that was chosen, else that of its data if it is known here. */
export function projectOf({ dataset }) {
  return chosenProject() || facts.datasets[`uploaded/${dataset?.name}`]?.project || ""
}

/** The query that names a project. */
export function inProject(project) {
  return project ? `?project=${encodeURIComponent(project)}` : ""
}

function keyOf(path, body) {
  const text = path + JSON.stringify(body)
  if (sent.body !== text) Object.assign(sent, { body: text, key: newKey() })
  return sent.key
}

/** A text that nobody guesses; crypto.randomUUID needs TLS on other machines. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}
