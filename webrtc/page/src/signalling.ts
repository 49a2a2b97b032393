import type { Document, Inbound, Problem } from "./protocol.ts";

/** The bridge says no. The message is the bridge's own text. */
export class Refusal extends Error {
  readonly rule: string;
  constructor(problem: Problem) {
    super(sentence(problem.detail || problem.title));
    this.rule = problem.rule;
  }
}

/** The WebSocket is gone, or there is no answer in time. */
export class Broken extends Error {}

/** How the bridge's texts stand alone: with a capital and a full stop. */
export function sentence(text: string): string {
  const s = text.trim();
  if (!s) return s;
  return s[0]!.toUpperCase() + s.slice(1) + (/[.!?…]$/.test(s) ? "" : ".");
}

export interface Listener {
  message(method: string, params: unknown): void;
  notify(patch: unknown): void;
  closed(code: number, reason: string): void;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

/** What Signalling needs of a WebSocket; tests bring their own. */
export type Socket = Pick<WebSocket, "send" | "close" | "readyState" | "onopen" | "onmessage" | "onclose">;

/** How long the bridge may take for an answer, milliseconds. */
const patience = 10_000;

/** One WebSocket to the bridge: requests and their answers, messages, notifications. It does not come back by itself. */
export class Signalling {
  readonly #socket: Socket;
  readonly #listener: Listener;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #over = false;

  private constructor(socket: Socket, listener: Listener) {
    this.#socket = socket;
    this.#listener = listener;
  }

  /** Opens a WebSocket. The promise is rejected when that fails; afterwards listener.closed is called exactly once. */
  static open(make: () => Socket, listener: Listener, timeout = patience): Promise<Signalling> {
    return new Promise((resolve, reject) => {
      const socket = make();
      const s = new Signalling(socket, listener);
      const timer = setTimeout(() => fail(), timeout);
      const fail = () => {
        clearTimeout(timer);
        s.#over = true;
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        reject(new Broken("The bridge cannot be reached."));
      };
      socket.onclose = fail;
      socket.onopen = () => {
        clearTimeout(timer);
        socket.onmessage = (e) => s.#receive(e.data);
        socket.onclose = (e) => s.#end(e.code, e.reason);
        resolve(s);
      };
    });
  }

  /** Asks the bridge for something. Rejects with a Refusal, or with Broken when there is no answer. */
  request<T>(method: string, params: object = {}, timeout = patience): Promise<T> {
    return this.#ask({ kind: "request", method, params }, timeout) as Promise<T>;
  }

  /** Asks to be kept up to date. The answer comes when the page is a member, which may take its time. */
  subscribe(timeout: number): Promise<Document> {
    return this.#ask({ kind: "subscribe", params: { events: "conference" } }, timeout) as Promise<Document>;
  }

  /** Says something that wants no answer. */
  tell(method: string, params: object): void {
    if (!this.#over) this.#socket.send(JSON.stringify({ kind: "message", method, params }));
  }

  /** Leaves for good. */
  leave(): void {
    if (this.#over) return;
    this.#socket.send(JSON.stringify({ kind: "request", id: this.#next++, method: "leave", params: {} }));
  }

  /** Gives the WebSocket up; nothing more is heard from it. */
  close(): void {
    this.#end(1000, "");
  }

  #ask(message: object, timeout: number): Promise<unknown> {
    if (this.#over) return Promise.reject(new Broken("The connection is gone."));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Broken("The bridge does not answer."));
      }, timeout);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  #receive(data: unknown): void {
    let m: Inbound;
    try {
      m = JSON.parse(String(data)) as Inbound;
    } catch {
      return;
    }
    switch (m.kind) {
      case "response": {
        const w = this.#waiting.get(m.id);
        if (!w) return;
        this.#waiting.delete(m.id);
        clearTimeout(w.timer);
        if (m.error) w.reject(new Refusal(m.error));
        else w.resolve(m.result);
        return;
      }
      case "notify":
        this.#listener.notify(m.patch);
        return;
      case "message":
        this.#listener.message(m.method, m.params);
    }
  }

  #end(code: number, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    for (const w of this.#waiting.values()) {
      clearTimeout(w.timer);
      w.reject(new Broken("The connection is gone."));
    }
    this.#waiting.clear();
    this.#listener.closed(code, reason);
  }
}
