// Keeps the list of studies fresh.

import { refreshEvery } from "./regions.js"

refreshEvery(5000)
