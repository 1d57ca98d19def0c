// Shows the API's document with Redoc.

import { at } from "./api.js"

/* global Redoc */
const options = {
  disableSearch: true, // it would run code from a blob
  hideDownloadButton: true,
  nativeScrollbars: true,
}
Redoc.init(at("/openapi.json"), options, document.getElementById("redoc"))
