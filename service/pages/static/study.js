// The page of a study: its plots, live.

import { Refusal, send } from "./api.js"
import { follow } from "./live.js"
import { drawCandidates, drawCurves, drawPoints } from "./plots.js"

const study = JSON.parse(document.getElementById("plots").textContent)
const BEST_CURVES = 8
const MAX_CURVES = 24
const ENDED = new Set(["COMPLETE", "PRUNED", "FAIL"])

const points = new Map() // by number
const curves = new Map() // by number: {x, y, isRunning}
let firstChanged = Infinity // the first trial that changed and was not fetched since
let isLoading = false
let isWanted = false
let drawTimer = null

/** Fetch the points that may have changed: from the first trial on that had not ended, or an older one that did. */
async function load(changed = Infinity) {
  firstChanged = Math.min(firstChanged, changed)
  if (isLoading) {
    isWanted = true
    return
  }
  isLoading = true
  const asked = firstChanged
  firstChanged = Infinity
  let first = Math.min(asked, points.size)
  for (const point of points.values()) if (!ENDED.has(point.state)) first = Math.min(first, point.number)
  try {
    const fresh = await send("GET", `/studies/${encodeURIComponent(study.name)}/points?first=${first}`)
    for (const point of fresh) points.set(point.number, point)
    if (fresh.length) drawSoon()
    await loadCurves()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    firstChanged = Math.min(firstChanged, asked) // live.js says that the server does not answer, and looks again
  } finally {
    isLoading = false
    if (isWanted) setTimeout(load, 1000)
    isWanted = false
  }
}

function best(count) {
  const sign = study.minimizes ? 1 : -1
  const complete = [...points.values()].filter((point) => point.state === "COMPLETE" && Number.isFinite(point.value))
  return complete.sort((a, b) => sign * (a.value - b.value)).slice(0, count)
}

/** Fetch the curves of the best trials, which no event brings. */
async function loadCurves() {
  const missing = best(BEST_CURVES).filter(({ number }) => !curves.has(number) || curves.get(number).isRunning)
  for (const { number } of missing) {
    const { curve } = await send("GET", `/v1/studies/${encodeURIComponent(study.name)}/trials/${number}/curve`)
    curves.set(number, { x: curve.epoch, y: curve[study.objective] ?? curve.val_loss, isRunning: false })
  }
  if (missing.length) drawSoon()
}

function drawSoon() {
  drawTimer ??= setTimeout(() => {
    drawTimer = null
    drawPoints([...points.values()].sort((a, b) => a.number - b.number), study)
    const bestNumber = best(1)[0]?.number
    for (const [number, curve] of curves) curve.isRunning &&= !ENDED.has(points.get(number)?.state)
    const shown = [...curves].map(([number, curve]) => ({ number, ...curve, isBest: number === bestNumber }))
    drawCurves(shown.slice(-MAX_CURVES).concat(shown.slice(0, -MAX_CURVES).filter(({ isBest }) => isBest)), study)
  }, 250)
}

if (study.candidates.length) drawCandidates(study.candidates, study.objective)
matchMedia("(max-width: 699px)").addEventListener("change", drawSoon) // a phone that is turned has room for more
load()
follow(study.name, study.lastEvent, {
  trial: (number) => load(number),
  curve({ number, steps, values }) {
    curves.delete(number) // the newest stand last
    curves.set(number, { x: steps, y: values, isRunning: true })
    drawSoon()
  },
})
// A comparison that ends while the page is open brings an answer to draw.
document.addEventListener("refreshed", ({ detail }) => {
  const { candidates } = JSON.parse(detail.getElementById("plots").textContent)
  if (candidates.length && !study.candidates.length) location.reload()
})
