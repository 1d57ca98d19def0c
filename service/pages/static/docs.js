// Shows the API's document with Swagger UI.

import { at } from "./api.js"
import { isDark } from "./page.js"

/* global SwaggerUIBundle */
const root = document.documentElement
const follow = () => root.classList.toggle("dark-mode", isDark())
follow()
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow)
new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] })

SwaggerUIBundle({
  url: at("/openapi.json"),
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // it would ask another host
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  layout: "BaseLayout",
})
