import { effect, signal } from "@preact/signals";
import * as devices from "./devices.ts";
import { Blend } from "./level.ts";
import type { Tracks } from "./peer.ts";
import { remembered } from "./storage.ts";

// What this page sends: microphone, camera and screen, switched on and off by the person.

/** What the person wants to be on; remembered for the next time. */
export const microphoneOn = signal(remembered.get("microphone") !== "off");
export const cameraOn = signal(remembered.get("camera") !== "off");

/** The open devices. A microphone that is muted stays open; a camera that is off is closed, and its light with it. */
export const microphone = signal<MediaStreamTrack | null>(null);
export const camera = signal<MediaStreamTrack | null>(null);
export const screen = signal<MediaStream | null>(null);

export const microphoneTrouble = signal<devices.Trouble | null>(null);
export const cameraTrouble = signal<devices.Trouble | null>(null);
export const opening = signal(false);

export const available = signal<devices.Devices>({ cameras: [], microphones: [], speakers: [] });

/** The chosen devices, "" for the browser's choice. */
export const chosen = {
  microphone: signal(remembered.get("device.microphone")),
  camera: signal(remembered.get("device.camera")),
  speaker: signal(remembered.get("device.speaker")),
};

let changed: (() => void) | null = null;
let blend: Blend | null = null;

/** Tells f whenever other tracks are to be sent; null for nobody. */
export function onTracks(f: (() => void) | null): void {
  changed = f;
}

/** What is to be sent now. */
export function tracks(): Tracks {
  return {
    audio: blend ? blend.track : microphone.value,
    video: camera.value,
    slides: screen.value?.getVideoTracks()[0] ?? null,
  };
}

async function refresh(): Promise<void> {
  available.value = await devices.list().catch(() => available.value);
}

let started: Promise<void> = Promise.resolve();

/** Opens what is wanted and not open, of the devices named; one opening follows another. */
export function start(which: "both" | "microphone" | "camera" = "both"): Promise<void> {
  const open = () => openMissing(which !== "camera", which !== "microphone");
  started = started.then(open, open);
  return started;
}

/** Waits for devices that are being opened, but no longer than `time` milliseconds: the browser may be asking the person. */
export function settled(time: number): Promise<void> {
  return Promise.race([started.catch(() => undefined), new Promise<void>((resolve) => setTimeout(resolve, time))]);
}

async function openMissing(audio: boolean, video: boolean): Promise<void> {
  const want = { audio: audio && !microphone.value, video: video && cameraOn.value && !camera.value };
  if (!want.audio && !want.video) return;
  opening.value = true;
  try {
    const got = await devices.open({ ...want, microphone: chosen.microphone.value, camera: chosen.camera.value });
    if (want.audio) {
      microphoneTrouble.value = got.audioTrouble;
      useMicrophone(got.audio);
    }
    if (want.video) {
      cameraTrouble.value = got.videoTrouble;
      useCamera(got.video);
    }
    await refresh();
  } finally {
    opening.value = false;
  }
  changed?.();
}

function useMicrophone(track: MediaStreamTrack | null): void {
  microphone.value?.stop();
  microphone.value = track;
  if (!track) return;
  track.enabled = microphoneOn.value;
  track.onended = () => {
    if (microphone.value !== track) return; // unplugged
    microphone.value = null;
    microphoneTrouble.value = "missing";
    reblend();
    changed?.();
  };
  reblend();
}

function useCamera(track: MediaStreamTrack | null): void {
  camera.value?.stop();
  camera.value = track;
  if (!track) return;
  if (!cameraOn.value) return closeCamera(); // switched off again while it opened
  track.contentHint = "motion";
  track.onended = () => {
    if (camera.value !== track) return;
    camera.value = null;
    cameraTrouble.value = "missing";
    changed?.();
  };
}

function closeCamera(): void {
  camera.value?.stop();
  camera.value = null;
}

/** Mutes or unmutes the microphone itself. */
export function setMicrophone(on: boolean, remember = true): void {
  microphoneOn.value = on;
  if (microphone.value) microphone.value.enabled = on;
  if (remember) remembered.set("microphone", on ? "" : "off");
}

/** Switches the camera on or off. The promise says whether it is as wanted. */
export async function setCamera(on: boolean, remember = true): Promise<boolean> {
  cameraOn.value = on;
  if (remember) remembered.set("camera", on ? "" : "off");
  if (on) await start("camera");
  else {
    closeCamera();
    changed?.();
  }
  return !on || camera.value !== null;
}

/** Chooses another device and, where it is in use, changes over to it. */
export async function choose(kind: "microphone" | "camera" | "speaker", id: string): Promise<void> {
  chosen[kind].value = id;
  remembered.set(`device.${kind}`, id);
  if (kind === "speaker") return;
  if (kind === "camera") {
    if (!cameraOn.value) return;
    closeCamera(); // many cameras can be open only once
  } else {
    const before = microphone.value;
    microphone.value = null;
    before?.stop();
  }
  await start(kind);
}

/** Shares the screen. False where the person did not want to. */
export async function share(): Promise<boolean> {
  const stream = await devices.openScreen();
  if (!stream) return false;
  screen.value = stream;
  const video = stream.getVideoTracks()[0];
  if (video) video.onended = () => screen.value === stream && unshare();
  reblend();
  changed?.();
  return true;
}

export function unshare(): void {
  const stream = screen.value;
  screen.value = null;
  stream?.getTracks().forEach((t) => t.stop());
  reblend();
  changed?.();
}

/** Sends the sound of a shared tab along with the microphone's. */
function reblend(): void {
  blend?.close();
  const sound = screen.value?.getAudioTracks() ?? [];
  blend = sound.length ? new Blend([...sound, ...(microphone.value ? [microphone.value] : [])]) : null;
}

/** Closes everything. */
export function stop(): void {
  onTracks(null);
  if (screen.value) unshare();
  closeCamera();
  microphone.value?.stop();
  microphone.value = null;
}

if (devices.secure) {
  navigator.mediaDevices.addEventListener("devicechange", () => {
    void refresh().then(() => {
      const back = available.value;
      if ((microphoneTrouble.value === "missing" && back.microphones.length) || (cameraTrouble.value === "missing" && back.cameras.length)) {
        void start();
      }
    });
  });
}

/** Lets an element's sound come out of the chosen speaker. */
export function followSpeaker(element: HTMLMediaElement): () => void {
  return effect(() => {
    const id = chosen.speaker.value;
    if (devices.canChooseSpeaker && (id || element.sinkId)) element.setSinkId(id).catch(() => undefined);
  });
}
