// The look of all plots, as the report's, and axes with readable ticks. Plotly is a script of its own.

/* global Plotly */
const MAX_TICKS = 6
const WIDE = 10 // largest to smallest value from which an axis is logarithmic
const CLOSE = 1.1 // largest to smallest value whose ticks would touch
const GRID = "rgba(128, 136, 144, 0.28)"
const INK = "#7b838c" // the page's style sets its own
const CONFIG = { responsive: true, displayModeBar: false }

/** Draw into #plot-NAME, and show its figure; without traces, hide it. */
export function draw(name, traces, layout = {}, caption = null) {
  const figure = document.getElementById(`figure-${name}`)
  figure.hidden = traces.length === 0
  if (figure.hidden) return
  if (caption !== null) figure.querySelector("figcaption").textContent = caption
  const plot = document.getElementById(`plot-${name}`)
  plot.setAttribute("role", "img")
  plot.setAttribute("aria-label", `${figure.querySelector("h2").textContent}. ${figure.querySelector("figcaption").textContent}`)
  const whole = { ...look(), ...layout }
  plot.style.height = `${whole.height}px` // Plotly forgets it where it draws anew while its window is resized
  Plotly.react(plot, traces, whole, CONFIG)
}

function look() {
  return {
    template: "none",
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    height: 300,
    margin: { l: 8, r: 8, t: 28, b: 8 },
    legend: { orientation: "h", yanchor: "bottom", y: 1.02, x: 0 },
    font: { size: 12, color: INK, family: "system-ui, sans-serif" },
    hoverlabel: { namelength: -1 },
    dragmode: false,
    xaxis: axis(),
    yaxis: axis(),
  }
}

/** An axis with a title; of some values: logarithmic where all are positive and far apart. */
export function axis(title = "", values = [], options = {}) {
  const finite = values.filter((value) => Number.isFinite(value))
  const isLog = options.log ?? isWide(finite)
  return {
    title: { text: title, standoff: 8 },
    automargin: true,
    gridcolor: GRID,
    zeroline: false,
    linecolor: GRID,
    exponentformat: "none",
    nticks: MAX_TICKS,
    ...(isLog && finite.length ? logTicks(finite) : {}),
    ...options,
  }
}

/** An axis of whole numbers: where they are few, each has a tick of its own. */
export function wholeAxis(title, values) {
  const span = Math.max(...values) - Math.min(...values)
  return axis(title, [], { tickformat: ",d", ...(span < MAX_TICKS ? { dtick: 1 } : {}) })
}

/** Whether values are positive and far apart. */
export function isWide(values) {
  const low = Math.min(...values)
  return values.length > 0 && low > 0 && Math.max(...values) / low >= WIDE
}

function logTicks(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const exponents = []
  const most = isNarrow() ? MAX_TICKS / 2 : MAX_TICKS
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) exponents.push(e)
  for (const steps of [[1], [1, 3], [1, 2, 5]]) {
    const ticks = exponents.flatMap((e) => steps.map((step) => step * 10 ** e)).filter((tick) => tick >= low && tick <= high)
    if (ticks.length < 3 && steps.length < 3) continue
    const kept = ticks.filter((_, index) => index % Math.ceil(ticks.length / most) === 0)
    if (kept.length > 1) return { type: "log", tickmode: "array", tickvals: kept, ticktext: kept.map(plain) }
  }
  // Too close to each other for round numbers between them.
  const ends = high / low < CLOSE ? [low] : [low, high]
  return { type: "log", tickmode: "array", tickvals: ends, ticktext: ends.map((end) => plain(Number(end.toPrecision(2)))) }
}

/** Whether a plot has the room of a phone. */
export const isNarrow = () => innerWidth < 700

/** A number without an exponent, in four digits. */
export function plain(value) {
  if (typeof value !== "number") return String(value ?? "–")
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 })
}

/** Points in one colour. */
export function markers(name, x, y, color, options = {}) {
  return { name, x, y, mode: "markers", type: "scatter", marker: { color, size: 7, opacity: 0.8 }, ...options }
}
