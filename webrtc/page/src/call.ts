import { mayContinue, pause, sameOrigin } from "./backoff.ts";
import { merge } from "./merge.ts";
import { Peer, type Tracks } from "./peer.ts";
import type { Admission, Document, Hangup, Joined } from "./protocol.ts";
import { Broken, Refusal, Signalling, type Socket } from "./signalling.ts";

/** Why a call is over. "left" is the person's own wish; "refused" is a rule of the bridge. */
export interface Ending {
  reason: Hangup["reason"] | "left" | "refused" | "unreachable";
  text: string;
  /** The rule that refused, for a refusal. */
  rule?: string;
}

export interface CallListener {
  /** The page is in, for the first time or again. Fresh is false where the participant is the same as before. */
  joined(j: Joined, fresh: boolean): void;
  document(d: Document): void;
  /** Since when, in milliseconds of performance.now, the connection is broken; null while it stands. */
  trouble(since: number | null): void;
  track(kind: "audio" | "video", track: MediaStreamTrack): void;
  ended(e: Ending): void;
}

export interface CallOptions {
  conference: string;
  name: string;
  /** What lets the person in where the conference asks for a PIN, "" for none. */
  pin: string;
  resume: string;
  tracks: Tracks;
  cameraHeight: number;
  socket(): Socket;
}

/** The bridge does not know our PeerConnection any more; another one is needed, and needs no pause. */
class Forgotten extends Broken {}

/** The bridge gives 30 seconds for ICE and DTLS, and then says why not. */
const setUp = 35_000;

/** How long media may be interrupted before ICE starts again, milliseconds. */
const grace = 2_000;

/** How long an ICE restart may take before everything starts anew, milliseconds. */
const restartTime = 9_000;

/** How often the first way in is tried before the person is told that it does not work. */
const firstTries = 3;

/**
 * One membership in a conference. It outlives WebSockets and PeerConnections: whatever breaks is made anew, with pauses that
 * grow, until the person leaves or the bridge says that it is over.
 */
export class Call {
  readonly #o: CallOptions;
  readonly #to: CallListener;
  #signalling: Signalling | null = null;
  #peer: Peer | null = null;
  #tracks: Tracks;
  #token: string;
  #participant = "";
  #document: Document | null = null;
  #over = false;
  #in = false; // has been in once
  #brokeAt: number | null = null;
  #negotiation: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | null = null;
  #joined: ((j: Joined) => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stood = 0; // since when the connection stands

  constructor(options: CallOptions, listener: CallListener) {
    this.#o = options;
    this.#to = listener;
    this.#tracks = options.tracks;
    this.#token = options.resume;
  }

  /** Runs until the call is over; listener.ended has been told then. */
  async run(): Promise<void> {
    for (let attempt = 0; !this.#over; attempt++) {
      try {
        await this.#connect();
        attempt = -1;
        await this.#broken();
      } catch (e) {
        if (this.#over) return;
        this.#drop();
        if (e instanceof Forgotten) continue;
        if (e instanceof Refusal) return this.#end({ reason: "refused", text: e.message, rule: e.rule });
        if (!this.#in && attempt + 1 >= firstTries) {
          return this.#end({ reason: "unreachable", text: e instanceof Error ? e.message : String(e) });
        }
      }
      if (this.#over) return;
      this.#mark();
      await this.#sleep(pause(Math.max(attempt, 0), Math.random()));
    }
  }

  /** Asks the bridge for something on behalf of the participant. */
  request<T = unknown>(method: string, params: object = {}): Promise<T> {
    if (!this.#signalling) return Promise.reject(new Broken("There is no connection to the bridge at the moment."));
    return this.#signalling.request<T>(method, params);
  }

  /** Sends these tracks from now on. */
  async send(tracks: Tracks): Promise<void> {
    this.#tracks = tracks;
    const peer = this.#peer;
    if (peer && (await peer.send(tracks)) && peer === this.#peer && this.#signalling) await this.#offer(false);
  }

  /** Leaves for good. */
  leave(): void {
    if (this.#over) return;
    this.#signalling?.leave();
    this.#end({ reason: "left", text: "" });
  }

  /** The network may be another one, or is back: looks after the connection now and not later. */
  nudge(): void {
    if (!this.#over) this.#wake?.();
  }

  async #connect(): Promise<void> {
    const signalling = await Signalling.open(this.#o.socket, {
      message: (method, params) => this.#message(signalling, method, params),
      notify: (patch) => {
        if (signalling === this.#signalling) this.#merge(patch);
      },
      closed: (code) => {
        if (signalling === this.#signalling) this.#closed(code);
      },
    });
    if (this.#over) return signalling.close();
    this.#signalling = signalling;
    const admission = await signalling.request<Admission>("join", {
      conference: this.#o.conference,
      name: this.#o.name,
      ...(this.#o.pin ? { pin: this.#o.pin } : {}),
      ...(this.#token ? { resume: this.#token } : {}),
    });
    const away = this.#brokeAt === null ? 0 : performance.now() - this.#brokeAt;
    const again = this.#in && this.#peer !== null && mayContinue(away, this.#peer.pc.connectionState);
    if (!again) this.#renew(admission.iceServers);
    const joined = new Promise<Joined>((resolve) => (this.#joined = resolve));
    await this.#offer(again);
    const state = signalling.subscribe(setUp);
    const who = await Promise.race([joined, late(again ? restartTime : setUp, state)]);
    this.#document = await state;
    const fresh = who.participant !== this.#participant;
    this.#token = who.token;
    this.#participant = who.participant;
    this.#in = true;
    this.#stood = performance.now();
    this.#to.joined(who, fresh);
    this.#to.document(this.#document);
    this.#check();
  }

  /** Makes a new PeerConnection in place of the one before. */
  #renew(servers: RTCIceServer[]): void {
    this.#peer?.close();
    const peer: Peer = new Peer(servers, this.#tracks, this.#o.cameraHeight, {
      candidate: (c) => peer === this.#peer && this.#candidate(c),
      track: (kind, track) => peer === this.#peer && this.#to.track(kind, track),
      state: () => peer === this.#peer && this.#check(),
    });
    this.#peer = peer;
  }

  /** Offers and takes the answer; offers follow one another. */
  #offer(iceRestart: boolean): Promise<void> {
    const done = this.#negotiation.then(async () => {
      const peer = this.#peer;
      const signalling = this.#signalling;
      if (!peer || !signalling) throw new Broken("The connection is gone.");
      const sdp = await peer.offer(iceRestart);
      const answering = signalling.request<{ sdp: string }>("offer", { sdp });
      peer.flush((c) => this.#candidate(c));
      const answer = await answering;
      if (peer.answer && !sameOrigin(peer.answer, answer.sdp)) {
        peer.close(); // the bridge has forgotten this connection: the next one begins anew
        throw new Forgotten("The bridge does not know the connection any more.");
      }
      await peer.accept(answer.sdp);
    });
    this.#negotiation = done.catch(() => undefined);
    return done;
  }

  #candidate(c: RTCIceCandidate | null): void {
    this.#signalling?.tell("candidate", {
      candidate: c?.candidate ?? "",
      sdpMid: c?.sdpMid ?? null,
      sdpMLineIndex: c?.sdpMLineIndex ?? null,
      ...(c?.usernameFragment ? { usernameFragment: c.usernameFragment } : {}),
    });
  }

  #message(from: Signalling, method: string, params: unknown): void {
    if (from !== this.#signalling) return;
    switch (method) {
      case "joined":
        this.#joined?.(params as Joined);
        return;
      case "candidate":
        void this.#peer?.candidate(params as RTCIceCandidateInit);
        return;
      case "hangup":
        this.#hangup(params as Hangup);
    }
  }

  /** A connection that failed after it had stood for a while is worth another try; everything else is final. */
  #hangup(h: Hangup): void {
    if (h.reason === "failed" && this.#in && performance.now() - this.#stood > 5_000) {
      this.#drop();
      this.#peer?.close();
      this.#wake?.();
      return;
    }
    this.#end({ reason: h.reason, text: h.text });
  }

  #merge(patch: unknown): void {
    if (!this.#document) return;
    this.#document = merge(this.#document, patch) as Document;
    this.#to.document(this.#document);
  }

  #closed(code: number): void {
    this.#signalling = null;
    if (code === 4001) return this.#end({ reason: "replaced", text: "" });
    this.#mark();
    this.#wake?.();
  }

  /** Waits until the WebSocket is gone. */
  #broken(): Promise<void> {
    return new Promise<void>((resolve) => {
      if (!this.#signalling || this.#over) return resolve();
      this.#wake = () => {
        if (this.#signalling && !this.#over) return this.#restart(); // only a nudge
        this.#wake = null;
        resolve();
      };
    });
  }

  #sleep(time: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, time);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => {
      this.#wake = null;
    });
  }

  /** Gives up the WebSocket, not the media. */
  #drop(): void {
    const s = this.#signalling;
    this.#signalling = null;
    s?.close();
    this.#mark();
  }

  #mark(): void {
    this.#brokeAt ??= performance.now();
    if (this.#in && !this.#over) this.#to.trouble(this.#brokeAt);
  }

  /** Looks at the media's state and does what is to be done. */
  #check(): void {
    if (this.#over || !this.#peer || !this.#in) return;
    const state = this.#peer.state;
    if (state === "new" || state === "checking") return this.#mark(); // a restart under way has its own time limit
    clearTimeout(this.#timer);
    if (state === "connected" || state === "completed") {
      if (this.#signalling) {
        this.#brokeAt = null;
        this.#to.trouble(null);
      }
      return;
    }
    this.#mark();
    if (state === "failed") this.#restart();
    else if (state === "disconnected") this.#timer = setTimeout(() => this.#restart(), grace);
  }

  /** Starts ICE again on the same connection; where that does not help in time, everything starts anew. */
  #restart(): void {
    clearTimeout(this.#timer);
    if (!this.#signalling) return;
    const give = () => {
      if (this.#over) return;
      this.#peer?.close();
      this.#drop();
      this.#wake?.();
    };
    this.#timer = setTimeout(give, restartTime);
    this.#offer(true).then(
      () => this.#standing() && this.#check(),
      (e: unknown) => {
        clearTimeout(this.#timer);
        if (e instanceof Broken || e instanceof Refusal) give();
      },
    );
  }

  #standing(): boolean {
    const state = this.#peer?.state;
    return state === "connected" || state === "completed";
  }

  #end(e: Ending): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const s = this.#signalling;
    this.#signalling = null;
    // What has been said just now must get out before the end.
    if (e.reason === "left") setTimeout(() => s?.close(), 500);
    else s?.close();
    this.#peer?.close();
    this.#wake?.();
    this.#to.trouble(null);
    this.#to.ended(e);
  }
}

/** Rejects after a time, or when `sooner` is rejected. */
function late(time: number, sooner: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Broken("The media cannot be set up: no way between this browser and the bridge was found.")), time);
    sooner.then(
      () => clearTimeout(timer),
      (e: unknown) => {
        clearTimeout(timer);
        reject(e instanceof Error ? e : new Error(String(e)));
      },
    );
  });
}
