// Work that is asked for again before it has ended: only the last one counts.

/** `work` gets a signal that says when it no longer counts, and what it was asked for with. */
export class Latest {
  #work
  #timer = null
  #asked = [] // what the timer will ask for
  #controller = null
  #done = Promise.resolve(null)

  constructor(work) {
    this.#work = work
  }

  /** Work once nothing was asked for so many milliseconds. */
  soon(milliseconds, ...asked) {
    clearTimeout(this.#timer)
    this.#asked = asked
    this.#timer = setTimeout(() => this.now(...asked), milliseconds)
  }

  /** Work at once; return what the work returns, null where it no longer counts. */
  now(...asked) {
    this.drop()
    this.#controller = new AbortController()
    this.#done = this.#work(this.#controller.signal, ...asked).catch((error) => {
      if (error.name !== "AbortError") throw error
      return null
    })
    return this.#done
  }

  /** Forget what is under way or will be asked for. */
  drop() {
    clearTimeout(this.#timer)
    this.#timer = null
    this.#controller?.abort()
  }

  /** Begin at once what waits; return what the last work returned once nothing is under way. */
  async settled() {
    if (this.#timer !== null) this.now(...this.#asked)
    let awaited, result
    do {
      awaited = this.#done
      result = await awaited
    } while (awaited !== this.#done)
    return result
  }
}
