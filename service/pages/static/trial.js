// The page of a trial: its learning curve.

import { Refusal, send } from "./api.js"
import { axis, draw, wholeAxis } from "./drawing.js"
import { patient, refresh, refreshEvery } from "./regions.js"

const trial = JSON.parse(document.getElementById("plots").textContent)
const CURVE_MS = 2000
const DASHES = { loss: "dot", penalized_loss: "dash" }

function drawCurve(curve) {
  const losses = Object.keys(curve).filter((name) => name !== "epoch" && name.endsWith("loss"))
  const shown = losses.length ? losses : Object.keys(curve).filter((name) => name !== "epoch")
  const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
  const traces = shown.map((name, index) => ({
    name, x: curve.epoch, y: curve[name], type: "scatter", mode: curve.epoch.length > 1 ? "lines" : "markers",
    line: { color: colors[index % colors.length], dash: DASHES[name] ?? "solid", width: 2 },
  }))
  const shapes = trial.best ? [{ type: "line", x0: trial.best, x1: trial.best, yref: "paper", y0: 0, y1: 1, line: { color: "#8a94a0", width: 1, dash: "dot" } }] : []
  const caption = trial.best ? `The weights of epoch ${trial.best} were kept.` : ""
  draw("curve", traces, { shapes, xaxis: wholeAxis("epoch", curve.epoch), yaxis: axis("", shown.flatMap((name) => curve[name])) }, caption)
}

/** Draw the curve as it grows, until the trial has ended. */
function followCurve() {
  setTimeout(async () => {
    let mayGrow = true // also after an error that nobody foresaw, which the console shows
    try {
      mayGrow = document.hidden || (await drawNow())
    } finally {
      if (mayGrow) followCurve()
    }
  }, patient(CURVE_MS))
}

/** Draw the curve as it is now; return whether it may grow. */
async function drawNow() {
  try {
    const { curve, running } = await send("GET", trial.path)
    if (curve.epoch.length) drawCurve(curve)
    return running
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return true // the page says that the server does not answer, or that the trial is gone
  }
}

if (trial.curve.epoch?.length) drawCurve(trial.curve)
document.addEventListener("acted", refresh)
if (trial.running) {
  refreshEvery(3000)
  followCurve()
}
