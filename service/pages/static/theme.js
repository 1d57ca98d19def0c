// Runs before the page is painted: the theme that was chosen here, else the system's.
"use strict"
{
  const root = document.documentElement
  root.classList.add("js")
  try {
    const chosen = localStorage.getItem("regsweep-theme")
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen
  } catch {
    // Storage is switched off: the system's theme it is.
  }
}
