// Shows the API's document with Redoc.

/* global Redoc */
const options = {
  disableSearch: true, // it would run code from a blob
  hideDownloadButton: true,
  nativeScrollbars: true,
}
Redoc.init("/openapi.json", options, document.getElementById("redoc"))
