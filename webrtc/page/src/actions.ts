import { effect } from "@preact/signals";
import { Call, type Ending } from "./call.ts";
import * as devices from "./devices.ts";
import * as media from "./media.ts";
import { Mirror } from "./mirror.ts";
import { news } from "./news.ts";
import { announce, toast } from "./notice.ts";
import { subprotocol, type Document, type Joined, type Layout } from "./protocol.ts";
import { Broken } from "./signalling.ts";
import * as state from "./state.ts";
import { comeback, remembered } from "./storage.ts";

// What people do, and what the bridge says to it.

let call: Call | null = null;
let name = "";
let token = "";

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

/** The microphone is muted because of the bridge, not because of the person. */
let mutedByOthers = false;
/** The next state is the first one of a connection. */
let beginning = false;
/** Push to talk: the space bar is held. */
let talking = false;

const heard = () => media.microphoneOn.value && media.microphone.value !== null;
const seen = () => media.cameraOn.value && media.camera.value !== null;
const clock = { now: () => performance.now(), later: (f: () => void, time: number) => void setTimeout(f, time) };

const sound = new Mirror({
  ...clock,
  local: heard,
  tell: async (on) => call?.request(on ? "unmute" : "mute"),
  overruled: (on) => {
    if (!on) {
      mutedByOthers = true;
      talking = false;
      media.setMicrophone(false, false);
      toast("You have been muted.");
    } else if (mutedByOthers && media.microphone.value) {
      mutedByOthers = false;
      media.setMicrophone(true, false);
      toast("You can be heard again.");
    } else {
      if (media.microphone.value) toast("Somebody would like to hear you: unmute yourself.");
      sound.push();
    }
  },
  failed: (e, is) => {
    if (e instanceof Broken) return; // told when the connection is back
    if (!is) media.setMicrophone(false, false); // who wanted to be muted stays so
    complain(e);
  },
});

const sight = new Mirror({
  ...clock,
  local: seen,
  tell: async (on) => call?.request("video", { on }),
  overruled: (on) => {
    if (on) return sight.push(); // nobody but the person switches a camera on
    void media.setCamera(false, false);
    toast("Your camera has been switched off.");
  },
  failed: (e) => {
    if (!(e instanceof Broken)) complain(e);
  },
});

effect(() => {
  heard();
  seen();
  sound.push();
  sight.push();
  keep();
});

/** Shows an error as the bridge words it. */
function complain(e: unknown): void {
  toast(e instanceof Error ? e.message : String(e), "error");
}

/** Carries out a request; what goes wrong is shown. */
async function ask<T>(method: string, params: object = {}): Promise<T | null> {
  try {
    return (await call?.request<T>(method, params)) ?? null;
  } catch (e) {
    complain(e);
    return null;
  }
}

/** Goes into a conference. */
export function join(conference: string, as: string, resume = "", pin = ""): void {
  if (call) return;
  name = as;
  remembered.set("name", as);
  state.conference.value = conference;
  state.refusal.value = "";
  state.ending.value = null;
  state.place.value = "joining";
  const path = `/${encodeURIComponent(conference)}`;
  if (location.pathname !== path) history.pushState(null, "", path + location.search);
  const mine = new Call(
    {
      conference, name: as, pin, resume, tracks: media.tracks(), cameraHeight: devices.cameraHeight,
      socket: () => new WebSocket(address, subprotocol),
    },
    {
      joined: (j, fresh) => mine === call && joined(j, fresh),
      document: (d) => mine === call && follow(d),
      trouble: (since) => mine === call && (state.trouble.value = since),
      track: (kind, track) => mine === call && ((kind === "audio" ? state.sound : state.picture).value = track),
      ended: (e) => mine === call && ended(e),
    },
  );
  call = mine;
  media.onTracks(() => {
    mine.send(media.tracks()).catch(complain);
  });
  void media.settled(3000).then(() => mine.run());
}

function joined(j: Joined, fresh: boolean): void {
  token = j.token;
  beginning = true;
  if (fresh) mutedByOthers = false;
  const first = state.place.value !== "conference";
  state.place.value = "conference";
  keep();
  if (first) announce(`You are in the conference ${j.conference}.`);
}

function follow(d: Document): void {
  const before = state.doc.value;
  state.doc.value = d;
  const me = d.users[d.self];
  if (me) {
    if (beginning) {
      beginning = false;
      begin(me.muted, me.camera);
    } else {
      sound.follow(!me.muted);
      sight.follow(me.camera);
    }
  }
  if (!before || before.self !== d.self) return;
  for (const n of news(before, d)) (n.shown ? toast : announce)(n.text);
  for (const id of Object.keys(d.chat)) {
    const line = d.chat[id]!;
    if (before.chat[id] || line.from === d.self) continue;
    if (state.panel.value !== "chat" || document.hidden) state.unread.value++;
    announce(`${line.name} writes: ${line.text}`);
  }
}

/** At the beginning who is muted on either side is muted: nobody is heard by surprise. */
function begin(muted: boolean, camera: boolean): void {
  if (muted && heard()) {
    mutedByOthers = true;
    media.setMicrophone(false, false);
  }
  if (!camera && seen()) void media.setCamera(false, false);
  sound.begin(!muted);
  sound.push();
  sight.begin(camera);
  sight.push();
}

function ended(e: Ending): void {
  call = null;
  token = "";
  sound.reset();
  sight.reset();
  comeback.set(null);
  state.doc.value = null;
  state.picture.value = state.sound.value = null;
  state.trouble.value = null;
  state.panel.value = state.dialog.value = null;
  state.unread.value = 0;
  state.chatTo.value = "";
  state.dialled.value = new Set();
  media.onTracks(null);
  const inside = state.place.value === "conference";
  if (!inside) {
    state.refusal.value = e.reason === "left" ? "" : e.text || "The bridge ended the connection.";
    state.pinWanted.value = state.pinWanted.value || e.rule === "pin";
    state.place.value = "lobby";
    return;
  }
  media.stop();
  state.ending.value = e;
  state.place.value = "ended";
}

/** Remembers how to come back after a reload. */
function keep(): void {
  if (!token) return;
  comeback.set({
    conference: state.conference.value, name, token,
    microphone: media.microphoneOn.peek(), camera: media.cameraOn.peek(),
  });
}

/** Leaves, or gives up joining. */
export function leave(): void {
  call?.leave();
}

/** Goes from the end to the way in. */
export function again(): void {
  state.place.value = "lobby";
  state.ending.value = null;
  void media.start();
}

/** Mutes or unmutes the own microphone. */
export async function toggleMicrophone(): Promise<void> {
  talking = false;
  if (media.microphoneOn.value && media.microphone.value) {
    mutedByOthers = false;
    media.setMicrophone(false);
    return;
  }
  media.setMicrophone(true);
  if (!media.microphone.value) {
    await media.start("microphone");
    if (!media.microphone.value) toast(devices.explain(media.microphoneTrouble.value, null, state.place.value === "conference"), "error");
  }
}

/** Push to talk: heard while the key is held. */
export function talk(on: boolean): void {
  if (on && !media.microphoneOn.value && media.microphone.value) {
    talking = true;
    media.setMicrophone(true, false);
  } else if (!on && talking) {
    talking = false;
    media.setMicrophone(false, false);
  }
}

export async function toggleCamera(): Promise<void> {
  const on = !(media.cameraOn.value && media.camera.value);
  if (!(await media.setCamera(on))) toast(devices.explain(null, media.cameraTrouble.value, state.place.value === "conference"), "error");
}

export async function toggleShare(): Promise<void> {
  if (media.screen.value) return media.unshare();
  try {
    await media.share();
  } catch {
    toast("The screen cannot be shared from this browser.", "error");
  }
}

export function toggleHand(): void {
  void ask("hand", { on: !state.self.value?.hand });
}

export function show(panel: state.Panel | null): void {
  state.panel.value = state.panel.value === panel ? null : panel;
  if (state.panel.value === "chat") state.unread.value = 0;
}

export function setLayout(layout: Layout): void {
  void ask("layout", { layout });
}

export function spotlight(participant: string): void {
  void ask("spotlight", participant ? { participant } : {});
}

export function mute(participant: string, on: boolean): void {
  void ask(on ? "mute" : "unmute", { participant });
}

/** Lets somebody in from the lobby. */
export function admit(participant: string): void {
  void ask("admit", { participant });
}

/** Turns somebody away from the lobby. */
export function deny(participant: string): void {
  void ask("deny", { participant });
}

export function expel(participant: string): void {
  void ask("expel", { participant });
}

export function lowerHand(participant: string): void {
  void ask("hand", { on: false, participant });
}

export function lock(on: boolean): void {
  void ask("lock", { on });
}

/** Writes a line; true says that the bridge has it. */
export async function write(text: string): Promise<boolean> {
  const to = state.chatTo.value;
  return (await ask("chat", to ? { text, to } : { text })) !== null;
}

/** Calls a phone. The result is "" or why not. */
export async function dial(target: string): Promise<string> {
  if (!call) return "You are not in a conference.";
  try {
    const { participant } = await call.request<{ participant: string }>("dial", { target });
    state.dialled.value = new Set([...state.dialled.value, participant]);
    return "";
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}

export async function rename(to: string): Promise<void> {
  if ((await ask("rename", { name: to })) === null) return;
  name = to;
  remembered.set("name", to);
  keep();
}

// Whether the page is loaded again or closed for good cannot be told when it goes, so nothing is said: the bridge waits a few
// seconds, in which a reload takes the old self's place (same participant, same hand), and ends what does not come back.
window.addEventListener("popstate", () => location.reload());
window.addEventListener("online", () => call?.nudge());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (state.panel.value === "chat") state.unread.value = 0;
  if (state.trouble.value !== null) call?.nudge();
});
(navigator as { connection?: EventTarget }).connection?.addEventListener?.("change", () => call?.nudge());

/** What happens when the page has been loaded. */
export async function begun(): Promise<void> {
  const entry = performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming | undefined;
  const back = comeback.get();
  const returns = entry?.type === "reload" && back?.conference === state.conference.value && back.name && back.token;
  if (!returns) comeback.set(null);
  else {
    state.place.value = "joining";
    media.setMicrophone(back.microphone, false);
    media.cameraOn.value = back.camera;
  }
  await media.start();
  if (returns) join(back.conference, back.name, back.token);
}
