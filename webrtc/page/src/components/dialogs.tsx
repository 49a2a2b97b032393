import { useSignal } from "@preact/signals";
import * as actions from "../actions.ts";
import { canShare } from "../devices.ts";
import * as devices from "../devices.ts";
import * as media from "../media.ts";
import * as state from "../state.ts";
import { layouts } from "./bar.tsx";
import { Devices } from "./devices.tsx";
import { Icon, type IconName } from "./icon.tsx";
import { Dialog, Meter, Video } from "./parts.tsx";

const close = () => (state.dialog.value = null);

export function Dialogs() {
  switch (state.dialog.value) {
    case "invite":
      return <Invite />;
    case "settings":
      return <Settings />;
    case "more":
      return <More />;
  }
  return null;
}

/** Brings others in: a link to send, a number to call. */
function Invite() {
  const link = `${location.origin}/${encodeURIComponent(state.conference.value)}`;
  const uri = state.doc.value?.conference.uri ?? "";
  return (
    <Dialog title="Invite" onClose={close}>
      <Copy id="link" label="From a browser, open" value={link} />
      {uri && <Copy id="uri" label="From a phone, dial" value={uri} />}
      {state.rights.value.dial && <Dial />}
    </Dialog>
  );
}

function Copy({ id, label, value }: { id: string; label: string; value: string }) {
  const done = useSignal(false);
  const copy = async () => {
    const input = document.getElementById(id) as HTMLInputElement;
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      input.select(); // without https there is no clipboard: Ctrl-C does it
      document.execCommand("copy");
    }
    done.value = true;
    setTimeout(() => (done.value = false), 2000);
  };
  return (
    <label class="field" for={id}>
      <span>{label}</span>
      <span class="with-button">
        <input id={id} readOnly value={value} onFocus={(e) => e.currentTarget.select()} />
        <button type="button" class="plain" onClick={copy} aria-label={`Copy ${value}`} data-tip={done.value ? "Copied" : "Copy"}>
          <Icon name={done.value ? "check" : "copy"} size={18} />
        </button>
      </span>
    </label>
  );
}

const keys = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/** Calls a phone into the conference. */
function Dial() {
  const target = useSignal("");
  const problem = useSignal("");
  const busy = useSignal(false);
  const pad = useSignal(matchMedia("(pointer: coarse)").matches);
  const dial = async (e: Event) => {
    e.preventDefault();
    const to = target.value.trim();
    if (!to || busy.value) return;
    busy.value = true;
    problem.value = await actions.dial(to);
    busy.value = false;
    if (problem.value) return;
    close();
    if (state.panel.value !== "people") actions.show("people");
  };
  return (
    <form class="dial" onSubmit={dial}>
      <label class="field" for="dial-target">
        <span>Or call a phone into the conference</span>
        <span class="with-button">
          <input
            id="dial-target" value={target.value} placeholder="Number, name or SIP address" autoComplete="off" autoCapitalize="none" spellcheck={false} maxLength={255}
            aria-describedby="dial-problem" onInput={(e) => { target.value = e.currentTarget.value; problem.value = ""; }}
          />
          <button type="button" class="plain" aria-label="Keypad" aria-pressed={pad.value} data-tip="Keypad" onClick={() => (pad.value = !pad.value)}><Icon name="pad" size={18} /></button>
        </span>
      </label>
      {pad.value && (
        <div class="keypad" role="group" aria-label="Keypad">
          {keys.map((k) => <button key={k} type="button" onClick={() => (target.value += k)}>{k}</button>)}
        </div>
      )}
      <p id="dial-problem" class="notice error" role="alert" hidden={!problem.value}><Icon name="info" size={18} /><span>{problem.value}</span></p>
      <button id="dial" type="submit" class="primary" disabled={!target.value.trim() || busy.value}><Icon name="phone" size={18} />Call</button>
    </form>
  );
}

/** Devices during the call, the own name, and the keys. */
function Settings() {
  const name = useSignal(state.self.value?.name ?? "");
  const rename = (e: Event) => {
    e.preventDefault();
    const to = name.value.trim();
    if (to && to !== state.self.value?.name) void actions.rename(to);
    close();
  };
  const text = devices.explain(media.microphoneTrouble.value, media.cameraTrouble.value, true);
  return (
    <Dialog title="Settings" onClose={close}>
      <form onSubmit={rename}>
        <label class="field" for="rename">
          <span>Your name</span>
          <input id="rename" value={name.value} maxLength={64} onInput={(e) => (name.value = e.currentTarget.value)} />
        </label>
        <Devices />
        <div class="settings-check">
          {media.camera.value && <Video track={media.camera.value} class="mirrored" label="Your camera" />}
          <Meter track={media.microphone.value} on={media.microphoneOn.value} />
        </div>
        {text && <p class="notice"><Icon name="info" size={18} /><span>{text}</span></p>}
        <details class="keys">
          <summary>Keys</summary>
          <dl>
            {shortcuts.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
          </dl>
        </details>
        <button type="submit" class="primary">Done</button>
      </form>
    </Dialog>
  );
}

const shortcuts: [string, string][] = [
  ["M", "mute or unmute"], ["Space", "hold to talk while muted"], ["V", "camera on or off"], ["S", "share the screen"], ["H", "raise or lower the hand"],
  ["P", "people"], ["C", "chat"], ["I", "invite"], ["L", "layout"], ["F", "full screen"],
];

/** What has no place in the bar of a small screen. */
function More() {
  const hand = !!state.self.value?.hand;
  const now = state.doc.value?.conference.layout;
  const item = (icon: IconName, label: string, act: () => void, pressed?: boolean) => (
    <button type="button" class="sheet-item" aria-pressed={pressed} onClick={() => { close(); act(); }}><Icon name={icon} />{label}{pressed && <Icon name="check" size={18} />}</button>
  );
  return (
    <Dialog title="More" onClose={close} class="sheet">
      {item("hand", hand ? "Lower your hand" : "Raise your hand", actions.toggleHand, hand)}
      {canShare && item("share", media.screen.value ? "Stop sharing" : "Share the screen", () => void actions.toggleShare())}
      {item("invite", "Invite somebody", () => (state.dialog.value = "invite"))}
      {item("settings", "Settings", () => (state.dialog.value = "settings"))}
      {state.rights.value.layout && (
        <>
          <p class="menu-title">Layout for everybody</p>
          {layouts.map((l) => item(l.icon, l.label, () => actions.setLayout(l.layout), l.layout === now))}
        </>
      )}
    </Dialog>
  );
}
