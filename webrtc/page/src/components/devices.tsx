import * as devices from "../devices.ts";
import * as media from "../media.ts";
import { Choice } from "./parts.tsx";

/** The choices of camera, microphone and speaker. */
export function Devices() {
  const all = media.available.value;
  if (!all.microphones.length && !all.cameras.length && !all.speakers.length) return null;
  const used = (track: MediaStreamTrack | null, chosen: string) => track?.getSettings().deviceId || chosen;
  return (
    <div class="devices">
      <Choice id="device-microphone" label="Microphone" options={all.microphones} value={used(media.microphone.value, media.chosen.microphone.value)} onChange={(id) => void media.choose("microphone", id)} />
      <Choice id="device-camera" label="Camera" options={all.cameras} value={used(media.camera.value, media.chosen.camera.value)} onChange={(id) => void media.choose("camera", id)} />
      {devices.canChooseSpeaker && all.speakers.length > 0 && (
        <Choice id="device-speaker" label="Speaker" options={all.speakers} value={media.chosen.speaker.value || all.speakers[0]!.id} onChange={(id) => void media.choose("speaker", id)} />
      )}
    </div>
  );
}
