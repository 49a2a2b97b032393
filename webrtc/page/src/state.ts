import { computed, signal } from "@preact/signals";
import type { Ending } from "./call.ts";
import type { Document, User } from "./protocol.ts";

// What the page shows. Everything here is read by components and written by actions.ts only.

/** The conference of the address, "" at the root. */
function addressed(): string {
  try {
    return decodeURIComponent(location.pathname.replace(/^\/+|\/+$/g, ""));
  } catch {
    return "";
  }
}

export const conference = signal(addressed());
export const place = signal<"lobby" | "joining" | "conference" | "ended">("lobby");
export const refusal = signal(""); // why joining did not work
export const pinWanted = signal(false); // the conference asked for a PIN
export const ending = signal<Ending | null>(null);

export const doc = signal<Document | null>(null);
export const trouble = signal<number | null>(null);
export const picture = signal<MediaStreamTrack | null>(null);
export const sound = signal<MediaStreamTrack | null>(null);

export type Panel = "people" | "chat";
export const panel = signal<Panel | null>(null);
export type Dialog = "invite" | "settings" | "more";
export const dialog = signal<Dialog | null>(null);
export const unread = signal(0);
export const chatTo = signal(""); // whom the next line of chat is for, "" for everybody

/** Participants whom this page has dialled: their calls it may cancel. */
export const dialled = signal<ReadonlySet<string>>(new Set());

export interface Toast {
  id: number;
  text: string;
  kind: "note" | "error";
}
export const toasts = signal<Toast[]>([]);
export const announcement = signal("");

export interface Person extends User {
  id: string;
}

/** Everybody in the order of joining. */
export const people = computed<Person[]>(() => {
  const users = doc.value?.users ?? {};
  return Object.keys(users)
    .map((id) => ({ ...users[id]!, id }))
    .sort((a, b) => a.order - b.order);
});

export const self = computed<Person | null>(() => people.value.find((p) => p.id === doc.value?.self) ?? null);

/** What the own role allows; docs of the bridge: a chair is a moderator, and where there is none, participants share some rights. */
export const rights = computed(() => {
  const role = self.value?.roles[0] ?? "guest";
  const chair = role === "moderator";
  const moderated = people.value.some((p) => p.roles.includes("moderator"));
  const all = chair || (role === "participant" && !moderated);
  return { chair, mute: all, layout: all, spotlight: all, dial: role !== "guest" };
});
