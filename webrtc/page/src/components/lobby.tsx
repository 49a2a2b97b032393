import { useSignal } from "@preact/signals";
import * as actions from "../actions.ts";
import * as devices from "../devices.ts";
import * as media from "../media.ts";
import { suggestion, tidy } from "../names.ts";
import * as state from "../state.ts";
import { remembered } from "../storage.ts";
import { Devices } from "./devices.tsx";
import { Icon, Mark } from "./icon.tsx";
import { Avatar, Control, Meter, Video } from "./parts.tsx";

/** What people see before they join. */
export function Lobby() {
  const fixed = state.conference.value !== "";
  const conference = useSignal(state.conference.value || suggestion(Math.random));
  const name = useSignal(remembered.get("name"));
  const pin = useSignal("");
  const joining = state.place.value === "joining";

  const submit = (e: Event) => {
    e.preventDefault();
    if (joining) return;
    const to = fixed ? state.conference.value : tidy(conference.value);
    if (!to) return;
    actions.join(to, name.value.trim() || "Guest", "", pin.value.trim());
  };

  return (
    <main class="lobby">
      <header class="brand"><Mark /><span>tutti</span></header>
      <div class="lobby-card">
        <Preview name={name.value} />
        <form class="lobby-form" onSubmit={submit}>
          {fixed ? (
            <>
              <p class="eyebrow">You are about to join</p>
              <h1>{state.conference.value}</h1>
            </>
          ) : (
            <>
              <h1 class="welcome">Meet, all together.</h1>
              <label class="field" for="conference">
                <span>Conference</span>
                <span class="with-button">
                  <input
                    id="conference" value={conference.value} maxLength={64} autoComplete="off" autoCapitalize="none" spellcheck={false} required
                    onInput={(e) => (conference.value = e.currentTarget.value)}
                  />
                  <button type="button" class="plain" data-tip="Another name" aria-label="Suggest another name" onClick={() => (conference.value = suggestion(Math.random))}>
                    <Icon name="dice" size={18} />
                  </button>
                </span>
              </label>
            </>
          )}
          <label class="field" for="name">
            <span>Your name</span>
            <input
              id="name" value={name.value} maxLength={64} autoComplete="name" placeholder="As the others will see it" autoFocus
              onInput={(e) => (name.value = e.currentTarget.value)}
            />
          </label>
          {state.pinWanted.value && (
            <label class="field" for="pin">
              <span>PIN</span>
              <input
                id="pin" value={pin.value} maxLength={64} inputMode="numeric" autoComplete="one-time-code" required autoFocus
                onInput={(e) => (pin.value = e.currentTarget.value)}
              />
            </label>
          )}
          <Devices />
          {state.refusal.value && <p class="notice error" role="alert"><Icon name="info" size={18} /><span>{state.refusal.value}</span></p>}
          <button id="join" type="submit" class="primary" disabled={joining} aria-busy={joining}>
            {joining ? <><span class="spinner" aria-hidden="true" />Joining…</> : listening() ? "Join to listen" : "Join"}
          </button>
          {joining && <button type="button" class="quiet" onClick={actions.leave}>Cancel</button>}
        </form>
      </div>
    </main>
  );
}

/** Whether the person could only listen. */
function listening(): boolean {
  return !media.opening.value && !media.microphone.value && media.microphoneTrouble.value !== null;
}

function Preview({ name }: { name: string }) {
  const camera = media.camera.value;
  const text = devices.explain(media.microphoneTrouble.value, media.cameraTrouble.value);
  return (
    <section class="preview" aria-label="How others will see you">
      <div class="preview-frame">
        {camera ? <Video track={camera} class="mirrored" label="Your camera" /> : (
          <div class="preview-empty">
            <Avatar name={name || "You"} size={92} />
            <p>{media.opening.value ? "Opening camera and microphone…" : media.cameraTrouble.value ? "No camera" : "Your camera is off"}</p>
          </div>
        )}
        <div class="preview-bar">
          <Control
            icon={media.microphoneOn.value && media.microphone.value ? "microphone" : "microphoneOff"} off={!(media.microphoneOn.value && media.microphone.value)}
            label={media.microphoneOn.value && media.microphone.value ? "Switch the microphone off" : "Switch the microphone on"} onClick={() => void actions.toggleMicrophone()}
          />
          <Control
            icon={camera ? "camera" : "cameraOff"} off={!camera} label={camera ? "Switch the camera off" : "Switch the camera on"} onClick={() => void actions.toggleCamera()}
          />
          <Meter track={media.microphone.value} on={media.microphoneOn.value} />
        </div>
      </div>
      {text && (
        <p class="notice" role="status">
          <Icon name="info" size={18} />
          <span>{text} {!devices.secure && secureAddress && <a href={secureAddress + location.pathname}>Open this page over https.</a>}</span>
        </p>
      )}
    </section>
  );
}

/** Where the page is served over https, if the bridge said so. */
const secureAddress = (() => {
  const port = document.querySelector<HTMLMetaElement>('meta[name="tutti-https"]')?.content;
  return port ? `https://${location.hostname}${port === "443" ? "" : `:${port}`}` : "";
})();
