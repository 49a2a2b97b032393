// Cameras, microphones and speakers of this machine.

export type Trouble = "insecure" | "denied" | "missing" | "busy" | "failed";

/** A device cannot be had. */
export class DeviceError extends Error {
  readonly trouble: Trouble;
  constructor(trouble: Trouble) {
    super(trouble);
    this.trouble = trouble;
  }
}

/** Tests with steady tones switch the browser's own processing off: ?processing=off. */
const processing = new URLSearchParams(location.search).get("processing") !== "off";

/** A machine with two cores or little memory sends a smaller picture. */
const weak =
  (navigator.hardwareConcurrency || 4) <= 2 || ((navigator as { deviceMemory?: number }).deviceMemory ?? 8) <= 2;

/** The height of the camera's picture, pixels. */
export const cameraHeight = weak ? 360 : 720;

function microphone(id: string): MediaTrackConstraints {
  return {
    ...(id ? { deviceId: { ideal: id } } : {}),
    echoCancellation: processing,
    noiseSuppression: processing,
    autoGainControl: processing,
    channelCount: { ideal: 1 },
  };
}

function camera(id: string): MediaTrackConstraints {
  return {
    ...(id ? { deviceId: { ideal: id } } : { facingMode: "user" }),
    width: { ideal: weak ? 640 : 1280 },
    height: { ideal: cameraHeight },
    frameRate: { ideal: weak ? 25 : 30, max: 30 },
  };
}

/** Whether this page may ask for devices at all: browsers give them to https and to localhost only. */
export const secure = window.isSecureContext && !!navigator.mediaDevices;

/** Whether the browser lets people choose where the sound comes out. */
export const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;

/** Whether the browser can share the screen. Telephones cannot. */
export const canShare = secure && "getDisplayMedia" in navigator.mediaDevices;

export interface Opened {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  audioTrouble: Trouble | null;
  videoTrouble: Trouble | null;
}

/** Opens what is wanted: both with one question to the person if possible, else each for itself. */
export async function open(wanted: { audio: boolean; video: boolean; microphone: string; camera: string }): Promise<Opened> {
  const out: Opened = { audio: null, video: null, audioTrouble: null, videoTrouble: null };
  if (wanted.audio && wanted.video) {
    try {
      const s = await ask({ audio: microphone(wanted.microphone), video: camera(wanted.camera) });
      return { ...out, audio: s.getAudioTracks()[0] ?? null, video: s.getVideoTracks()[0] ?? null };
    } catch (e) {
      // A refusal of both is a refusal; a second question would only annoy. Anything else may concern only one of them.
      const t = troubleOf(e);
      if (t === "insecure") return { ...out, audioTrouble: t, videoTrouble: t };
    }
  }
  if (wanted.audio) {
    try {
      out.audio = (await ask({ audio: microphone(wanted.microphone) })).getAudioTracks()[0] ?? null;
    } catch (e) {
      out.audioTrouble = troubleOf(e);
    }
  }
  if (wanted.video) {
    try {
      out.video = (await ask({ video: camera(wanted.camera) })).getVideoTracks()[0] ?? null;
    } catch (e) {
      out.videoTrouble = troubleOf(e);
    }
  }
  return out;
}

async function ask(c: MediaStreamConstraints): Promise<MediaStream> {
  if (!secure) throw new DeviceError("insecure");
  return navigator.mediaDevices.getUserMedia(c);
}

function troubleOf(e: unknown): Trouble {
  if (e instanceof DeviceError) return e.trouble;
  switch ((e as DOMException).name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
  }
  return "failed";
}

/** Asks for the screen. Null where the person thought better of it. */
export async function openScreen(): Promise<MediaStream | null> {
  try {
    const s = await navigator.mediaDevices.getDisplayMedia({
      video: { frameRate: { ideal: 15, max: 30 }, width: { max: 1920 }, height: { max: 1080 } },
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      surfaceSwitching: "include",
      selfBrowserSurface: "exclude",
      systemAudio: "exclude",
    } as DisplayMediaStreamOptions);
    for (const t of s.getVideoTracks()) t.contentHint = "detail";
    return s;
  } catch (e) {
    if ((e as DOMException).name === "NotAllowedError") return null;
    throw e;
  }
}

export interface Device {
  id: string;
  label: string;
}

export interface Devices {
  cameras: Device[];
  microphones: Device[];
  speakers: Device[];
}

/** Lists the devices. Before the person has allowed anything, browsers tell next to nothing. */
export async function list(): Promise<Devices> {
  const out: Devices = { cameras: [], microphones: [], speakers: [] };
  if (!secure) return out;
  const kinds = { videoinput: out.cameras, audioinput: out.microphones, audiooutput: out.speakers };
  const words = { videoinput: "Camera", audioinput: "Microphone", audiooutput: "Speaker" };
  for (const d of await navigator.mediaDevices.enumerateDevices()) {
    if (!d.deviceId) continue;
    const of = kinds[d.kind];
    of.push({ id: d.deviceId, label: d.label || `${words[d.kind]} ${of.length + 1}` });
  }
  return out;
}

/** What to tell a person whose devices cannot be had: what is the matter, and what to do. inside: they have joined already. */
export function explain(audio: Trouble | null, video: Trouble | null, inside = false): string {
  const t = audio ?? video;
  if (!t) return "";
  const what = audio && video ? "camera and microphone" : audio ? "microphone" : "camera";
  const anyway = inside ? "" : audio ? " You can still join to watch and listen." : " You can still join, to be heard and not seen.";
  switch (t) {
    case "insecure":
      return `Browsers give camera and microphone only to pages that are opened over https.${anyway}`;
    case "denied":
      return `The browser may not use your ${what}: allow it with the symbol beside the address.${anyway}`;
    case "missing":
      return `No ${what.replace("and", "or")} was found: plug one in.${anyway}`;
    case "busy":
      return `Your ${what} cannot be opened: another program may be using it.${anyway}`;
  }
  return `Your ${what} cannot be opened.${anyway}`;
}
