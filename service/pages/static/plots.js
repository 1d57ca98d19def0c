// Draws the plots of a study from its points; see service/pages/points.py for what a point is.

import { axis, draw, isNarrow, isWide, markers, plain, wholeAxis } from "./drawing.js"

const MAX_LINES = 400 // in parallel coordinates
const MAX_AXES = { narrow: 3, wide: 7 }
const STEPPED = "hv"

/** Draw everything that trials decide. */
export function drawPoints(points, study) {
  const complete = points.filter((point) => point.state === "COMPLETE" && Number.isFinite(point.value))
  drawHistory(complete, study)
  drawPath(complete, study)
  drawZeros(complete, study)
  drawParallel(complete, study)
}

function bestSoFar(complete, study) {
  const better = study.minimizes ? Math.min : Math.max
  let best = study.minimizes ? Infinity : -Infinity
  return complete.map((point) => (best = better(best, point.value)))
}

function drawHistory(complete, study) {
  const numbers = complete.map((point) => point.number)
  const values = complete.map((point) => point.value)
  const best = bestSoFar(complete, study)
  const line = { color: study.ownColor, shape: STEPPED, width: 2 }
  const traces = complete.length
    ? [
        markers("trials", numbers, values, study.ownColor, { marker: { color: study.ownColor, size: 6, opacity: 0.45 } }),
        { name: "best so far", x: numbers, y: best, mode: "lines", type: "scatter", line },
      ]
    : []
  const found = complete.find((point) => point.value === best.at(-1))
  const caption = found ? `After ${complete.length} complete trials the best is ${plain(found.value)}, of trial ${found.number}.` : ""
  draw("history", traces, { xaxis: wholeAxis("trial", numbers), yaxis: axis(study.objective, values) }, caption)
}

function byPenalty(points, study, y) {
  const traces = []
  for (const { kind, label, color } of study.penalties) {
    const own = points.filter((point) => point.penalty === kind && point.lambda)
    const text = own.map((point) => `trial ${point.number}`)
    if (own.length) traces.push(markers(label, own.map((point) => point.lambda), own.map(y), color, { text }))
  }
  return traces
}

function drawPath(complete, study) {
  const strengths = complete.filter((point) => point.lambda).map((point) => point.lambda)
  const traces = byPenalty(complete, study, (point) => point.value)
  const values = complete.filter((point) => point.lambda).map((point) => point.value)
  draw("path", traces, { xaxis: axis("λ", strengths, { log: true }), yaxis: axis(study.objective, values), showlegend: true })
}

function drawZeros(complete, study) {
  const sparse = complete.filter((point) => point.penalty !== "l2" && point.lambda && point.zeros !== null)
  const strengths = sparse.map((point) => point.lambda)
  const layout = { xaxis: axis("λ", strengths, { log: true }), yaxis: axis("exact zeros", [], { tickformat: ".1~%", rangemode: "tozero" }) }
  draw("zeros", byPenalty(sparse, study, (point) => point.zeros), { ...layout, showlegend: true })
}

/** A coordinate of the plot: where a value stands between 0 and 1, and the ticks that say so. */
function coordinate(name, values) {
  const isText = values.some((value) => typeof value === "string")
  if (isText) {
    const names = [...new Set(values.map(String))].sort()
    const at = (value) => (names.length > 1 ? names.indexOf(String(value)) / (names.length - 1) : 0.5)
    return { name, at, ticks: names.map((text) => [at(text), text]) }
  }
  const finite = values.filter((value) => Number.isFinite(value))
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  const scale = isWide(finite) ? Math.log : (value) => value
  const at = (value) => (Number.isFinite(value) ? (scale(value) - scale(low)) / (scale(high) - scale(low) || 1) : null)
  return { name, at, ticks: [[0, endText(low)], [1, endText(high)]] }
}

/** The end of an axis, short where axes are close to each other. */
function endText(value) {
  if (!isNarrow() || typeof value !== "number") return plain(value)
  return Math.abs(value) < 0.001 && value !== 0 ? value.toExponential(1) : plain(Number(value.toPrecision(2)))
}

function drawParallel(complete, study) {
  const sign = study.minimizes ? 1 : -1
  const ranked = [...complete].sort((a, b) => sign * (a.value - b.value)).slice(0, MAX_LINES)
  const names = [...new Set(ranked.flatMap((point) => Object.keys(point.params)))]
  const varied = names.filter((name) => new Set(ranked.map((point) => point.params[name]).filter((v) => v != null)).size > 1).slice(0, isNarrow() ? MAX_AXES.narrow : MAX_AXES.wide)
  if (ranked.length < 2 || varied.length < 2) return draw("parallel", [])
  const axes = varied.map((name) => coordinate(name.replace("lambda", "λ"), ranked.map((point) => point.params[name])))
  axes.push(coordinate(study.objective, ranked.map((point) => point.value)))
  const read = (point) => [...varied.map((name) => point.params[name]), point.value]
  const tenth = Math.ceil(ranked.length / 10)
  const lines = (name, some, color, width, opacity) => ({
    name, type: "scatter", mode: "lines", connectgaps: false, hoverinfo: "skip", opacity, line: { color, width },
    x: some.flatMap(() => [...axes.keys(), null]),
    y: some.flatMap((point) => [...read(point).map((value, index) => axes[index].at(value)), null]),
  })
  const traces = [
    lines("others", ranked.slice(tenth), "#8a94a0", 1, 0.35),
    lines("best tenth", ranked.slice(1, tenth), study.ownColor, 1.5, 0.75),
    lines("best", ranked.slice(0, 1), "#d55e00", 3, 1),
  ].filter((trace) => trace.x.length)
  const ticks = axes.flatMap(({ ticks: each }, index) => each.map(([y, text]) => annotation(index, y, text, axes.length)))
  const layout = {
    height: 340, margin: { l: 24, r: 8, t: 28, b: 8 }, annotations: ticks, hovermode: false,
    xaxis: axis("", [], { tickvals: [...axes.keys()], ticktext: axes.map(({ name }) => name.replaceAll("_", "<br>")), range: [-0.25, axes.length - 0.6], showgrid: true }),
    yaxis: axis("", [], { visible: false, range: [-0.08, 1.08] }),
  }
  draw("parallel", traces, layout, captionOf(ranked, complete, varied))
}

function annotation(x, y, text, count) {
  const isLast = x === count - 1
  return { x, y, text, showarrow: false, xanchor: isLast ? "right" : "left", xshift: isLast ? -5 : 5, yshift: y === 0 ? -8 : 10, font: { size: 11 } }
}

function captionOf(ranked, complete, varied) {
  const best = ranked[0]
  const params = varied.filter((name) => best.params[name] != null).map((name) => `${name.replace("lambda", "λ")} ${plain(best.params[name])}`)
  const some = ranked.length < complete.length ? ` Of ${complete.length} trials the best ${ranked.length} are drawn.` : ""
  return `A line is a trial. The best, in orange: trial ${best.number} with ${params.join(", ")}.${some}`
}

/** Draw what to expect of each candidate of a comparison. */
export function drawCandidates(candidates, objective) {
  const rows = [...candidates].reverse()
  const traces = rows.map((row) => ({
    ...markers(row.label, [row.mean], [row.label], row.color, { showlegend: false }),
    marker: { color: row.color, size: row.chosen ? 13 : 9 },
    error_x: { type: "data", symmetric: false, array: [row.high - row.mean], arrayminus: [row.mean - row.low], color: row.color, thickness: 2, width: 5 },
  }))
  const tested = rows.filter((row) => row.test !== null)
  const diamonds = { marker: { symbol: "diamond-open", size: 9, color: tested.map((row) => row.color) }, showlegend: false }
  if (tested.length) traces.push(markers("test part", tested.map((row) => row.test), tested.map((row) => row.label), "", diamonds))
  const ticktext = rows.map((row) => (row.chosen ? `▸ ${row.label}` : row.label)) // no <b>: it would be an inline style
  const yaxis = axis("", [], { type: "category", tickvals: rows.map((row) => row.label), ticktext, nticks: 0 })
  draw("candidates", traces, { height: 90 + 34 * rows.length, xaxis: axis(`${objective} on new rows`), yaxis })
}

/** Draw learning curves: [{number, x, y, isBest}], those that run in full strength. */
export function drawCurves(curves, study) {
  const traces = curves.map(({ number, x, y, isBest, isRunning }) => ({
    name: isBest ? `best: trial ${number}` : `trial ${number}`, x, y, type: "scatter", mode: x.length > 1 ? "lines" : "markers", showlegend: isBest || isRunning,
    opacity: isBest || isRunning ? 1 : 0.4, line: { width: isBest ? 3 : 1.5, ...(isBest ? { color: "#d55e00" } : isRunning ? {} : { color: "#8a94a0" }) },
  }))
  const running = curves.filter((curve) => curve.isRunning).length
  const caption = running ? `${running} running now, as they grow; grey: those that have ended.` : "Of the best trials."
  draw("curves", traces, { xaxis: wholeAxis("epoch", curves.flatMap(({ x }) => x)), yaxis: axis(study.objective, curves.flatMap(({ y }) => y)) }, caption)
}
