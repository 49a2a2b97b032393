export interface MirrorOptions {
  /** What is so on this side. */
  local(): boolean;
  /** Tells the bridge. */
  tell(on: boolean): Promise<unknown>;
  /** The bridge says otherwise, and not because of us. */
  overruled(on: boolean): void;
  /** The bridge did not take what it was told. */
  failed(error: unknown, is: boolean): void;
  now(): number;
  later(f: () => void, time: number): void;
}

/** How long the echo of our own request may take, milliseconds. */
const echo = 1500;

/**
 * Keeps one switch the same on this side and in the bridge's state, whoever turned it. What comes from the bridge while an own
 * request is under way may be older than that request, so it does not count yet.
 */
export class Mirror {
  readonly #o: MirrorOptions;
  #known: boolean | null = null;
  #own: { on: boolean; until: number } | null = null;

  constructor(options: MirrorOptions) {
    this.#o = options;
  }

  /** Forgets the bridge: there is a new membership, or none. */
  reset(): void {
    this.#known = this.#own = null;
  }

  /** The bridge's first word: it is noted, and obeyed only later. */
  begin(known: boolean): void {
    this.#known = known;
    this.#own = null;
  }

  /** The switch on this side may have been turned. */
  push(): void {
    const on = this.#o.local();
    if (this.#known === null || (this.#own ? this.#own.on : this.#known) === on) return;
    const own = { on, until: this.#o.now() + echo };
    this.#own = own;
    this.#o.later(() => this.#settle(), echo + 10);
    this.#o.tell(on).catch((e: unknown) => {
      if (this.#own !== own) return;
      this.#own = null;
      if (this.#known !== null && this.#known !== this.#o.local()) this.#o.failed(e, this.#known);
    });
  }

  /** The bridge's state says this. */
  follow(on: boolean): void {
    this.#known = on;
    this.#settle();
  }

  #settle(): void {
    if (this.#known === null) return;
    if (this.#own && this.#known !== this.#own.on && this.#o.now() < this.#own.until) return;
    this.#own = null;
    if (this.#known !== this.#o.local()) this.#o.overruled(this.#known);
  }
}
