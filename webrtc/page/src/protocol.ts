// What the page and the bridge say to each other: docs/protocol.md, in types.

export const subprotocol = "tutti.1";

export type Layout = "grid" | "speaker" | "single";
export type Role = "moderator" | "presenter" | "participant" | "guest" | "listener";
export type Kind = "sip" | "webrtc" | "local";
export type Status =
  | "pending" | "dialing-out" | "dialing-in" | "alerting" | "on-hold" | "connected" | "disconnecting" | "disconnected";

export interface Media {
  type: "audio" | "video";
  status: "sendrecv" | "sendonly" | "recvonly" | "inactive";
  codec: string;
  content: "main" | "slides";
}

export interface Endpoint {
  kind: Kind;
  status: Status;
  joined: string;
  method: string;
  reason: string;
  media: Record<string, Media>;
}

export interface User {
  name: string;
  order: number;
  roles: Role[];
  number: string;
  muted: boolean;
  speaking: boolean;
  hand: string;
  camera: boolean;
  /** In the lobby: hears and is heard by nobody until somebody lets them in. */
  waiting: boolean;
  waitsFor: string;
  /** The sidebar they are in, "" for the conference itself. */
  sidebar: string;
  endpoints: Record<string, Endpoint>;
}

export interface Line {
  from: string;
  to: string;
  name: string;
  text: string;
  at: string;
}

export interface Conference {
  name: string;
  uri: string;
  title: string;
  locked: boolean;
  layout: Layout;
  spotlight: string;
  speaker: string;
  started: string;
}

/** The state of a conference as one page may see it. */
export interface Document {
  conference: Conference;
  self: string;
  users: Record<string, User>;
  chat: Record<string, Line>;
  sidebars: Record<string, { name: string }>;
}

/** An error as the bridge words it: the rule is for programs, the rest for people. */
export interface Problem {
  rule: string;
  title: string;
  detail?: string;
}

export interface Joined {
  conference: string;
  participant: string;
  leg: string;
  token: string;
}

export type HangupReason = "booted" | "ended" | "replaced" | "shutdown" | "failed";

export interface Hangup {
  reason: HangupReason;
  text: string;
}

export interface Admission {
  conference: string;
  iceServers: RTCIceServer[];
}

export type Inbound =
  | { kind: "response"; id: number; result?: unknown; error?: Problem }
  | { kind: "notify"; version: number; patch: unknown }
  | { kind: "message"; method: string; params: unknown };
