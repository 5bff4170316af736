// Undo and redo.

/**
 * What was, for undo and redo. Holds any immutable states; `T` is usually `Composition | null`.
 * @template T
 */
export class History {
  /** @type {T[]} */
  #before = [];
  /** @type {T[]} */
  #after = [];
  #gesture = "";
  #limit;

  /**
   * @param {T} state The first.
   * @param {number} [limit] Steps that are kept.
   */
  constructor(state, limit = 100) {
    /** @type {T} The state that holds. */
    this.now = state;
    this.#limit = limit;
  }

  /** @returns {boolean} */
  get canUndo() {
    return this.#before.length > 0;
  }

  /** @returns {boolean} */
  get canRedo() {
    return this.#after.length > 0;
  }

  /**
   * Take a new state. One that is the same object as the last is no step. Pushes of the same `gesture` (any string but
   * "") one after another are one step: pass a fresh name at each pointerdown, or "move:3" for key presses that shall
   * merge.
   * @param {T} state
   * @param {string} [gesture]
   */
  push(state, gesture = "") {
    if (state === this.now) return;
    if (!gesture || gesture !== this.#gesture) {
      this.#before.push(this.now);
      if (this.#before.length > this.#limit) this.#before.shift();
    }
    this.#gesture = gesture;
    this.#after = [];
    this.now = state;
  }

  /** End a gesture: the next push is a step of its own. */
  settle() {
    this.#gesture = "";
  }

  /** @returns {T} The state that holds now. */
  undo() {
    return this.#step(this.#before, this.#after);
  }

  /** @returns {T} The state that holds now. */
  redo() {
    return this.#step(this.#after, this.#before);
  }

  /**
   * Forget all steps: another state came from outside.
   * @param {T} state
   */
  reset(state) {
    this.#before = [];
    this.#after = [];
    this.#gesture = "";
    this.now = state;
  }

  /**
   * @param {T[]} from
   * @param {T[]} to
   * @returns {T}
   */
  #step(from, to) {
    this.#gesture = "";
    if (!from.length) return this.now;
    to.push(this.now);
    this.now = /** @type {T} */ (from.pop());
    return this.now;
  }
}
