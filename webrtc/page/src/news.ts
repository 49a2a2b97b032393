import type { Document, User } from "./protocol.ts";

// What happened between two states, in words.

export interface News {
  text: string;
  /** Worth a line on the screen; otherwise only for screen readers. */
  shown: boolean;
}

/** Whether one of a user's devices is in the conference. */
export function isHere(u: User): boolean {
  return Object.values(u.endpoints).some((e) => e.status === "connected" || e.status === "on-hold");
}

/** Tells what others did. */
export function news(before: Document, now: Document): News[] {
  const out: News[] = [];
  for (const id of Object.keys(now.users)) {
    if (id === now.self) continue;
    const u = now.users[id]!;
    const was = before.users[id];
    if (u === was) continue;
    const here = isHere(u);
    const wasHere = !!was && isHere(was);
    if (here && !wasHere) out.push({ text: `${u.name} joined`, shown: true });
    if (!was || !wasHere || !here) continue;
    if (u.muted !== was.muted) out.push({ text: `${u.name} is ${u.muted ? "muted" : "no longer muted"}`, shown: false });
    if (u.hand && !was.hand) out.push({ text: `${u.name} raised a hand`, shown: true });
    if (was.name !== u.name) out.push({ text: `${was.name} is now ${u.name}`, shown: false });
  }
  for (const id of Object.keys(before.users)) {
    const was = before.users[id]!;
    if (id === before.self || now.users[id]) continue;
    if (isHere(was)) out.push({ text: `${was.name} left`, shown: true });
  }
  return out;
}
