// How loud a microphone is.

let shared: AudioContext | null = null;

/** The page's one AudioContext; browsers allow only a few. */
export function audioContext(): AudioContext {
  shared ??= new AudioContext({ latencyHint: "interactive" });
  if (shared.state === "suspended") void shared.resume();
  return shared;
}

/**
 * Tells the level of a track about 25 times a second, from 0 (silence, −60 dBFS) to 1 (full scale), until the returned
 * function is called.
 */
export function meter(track: MediaStreamTrack, tell: (level: number) => void): () => void {
  const context = audioContext();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;
  const timer = setInterval(() => {
    if (context.state === "suspended") void context.resume();
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const v of samples) sum += v * v;
    const db = 10 * Math.log10(sum / samples.length + 1e-12);
    const level = Math.min(1, Math.max(0, (db + 60) / 54));
    shown = Math.max(level, shown * 0.82); // falls slowly, as needles do
    tell(shown);
  }, 40);
  return () => {
    clearInterval(timer);
    source.disconnect();
    tell(0);
  };
}

/** Mixes a microphone, which may be absent, with the sound of a shared tab into one track. */
export class Blend {
  readonly #out = audioContext().createMediaStreamDestination();
  readonly #nodes: AudioNode[] = [];

  constructor(tracks: MediaStreamTrack[]) {
    for (const t of tracks) {
      const node = audioContext().createMediaStreamSource(new MediaStream([t]));
      node.connect(this.#out);
      this.#nodes.push(node);
    }
  }

  get track(): MediaStreamTrack {
    return this.#out.stream.getAudioTracks()[0]!;
  }

  close(): void {
    for (const n of this.#nodes) n.disconnect();
    this.track.stop();
  }
}
