/** The first pause before another try, milliseconds. */
const first = 400;

/** No pause is longer, milliseconds. */
const longest = 10_000;

/**
 * How long to wait before try number `attempt` (0 is the first after a failure), milliseconds. The pause doubles; a random
 * part of it, up to a quarter, keeps a thousand pages from coming back in the same instant. random is in [0, 1).
 */
export function pause(attempt: number, random: number): number {
  const full = Math.min(longest, first * 2 ** Math.min(attempt, 16));
  return Math.round(full * (1 - random / 4));
}

/**
 * The bridge keeps a leg whose WebSocket broke for 15 seconds. Within this time, milliseconds, the same PeerConnection goes
 * on; later a new one takes its place.
 */
export const keptFor = 13_000;

/** Whether a connection that broke `away` milliseconds ago may go on with its PeerConnection. */
export function mayContinue(away: number, connection: RTCPeerConnectionState | "none"): boolean {
  return away < keptFor && connection !== "none" && connection !== "closed";
}

/**
 * Whether two answers come from the same far end: the session id in the o= line (RFC 8866 §5.2) stays when one connection is
 * negotiated again, and is another one where the bridge has forgotten it and made a new one.
 */
export function sameOrigin(before: string, now: string): boolean {
  const id = (sdp: string) => /^o=\S+ (\S+)/m.exec(sdp)?.[1];
  return id(before) !== undefined && id(before) === id(now);
}
