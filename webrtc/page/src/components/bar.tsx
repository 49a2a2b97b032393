import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../actions.ts";
import { canShare } from "../devices.ts";
import * as media from "../media.ts";
import type { Layout } from "../protocol.ts";
import * as state from "../state.ts";
import { Icon, type IconName } from "./icon.tsx";
import { Control, Meter } from "./parts.tsx";

export const layouts: { layout: Layout; icon: IconName; label: string }[] = [
  { layout: "grid", icon: "grid", label: "Everybody alike" },
  { layout: "speaker", icon: "speaker", label: "Who speaks, large" },
  { layout: "single", icon: "single", label: "Only who speaks" },
];

/** The bar at the bottom. */
export function Bar() {
  const heard = media.microphoneOn.value && media.microphone.value !== null;
  const seen = media.cameraOn.value && media.camera.value !== null;
  const hand = !!state.self.value?.hand;
  const sharing = media.screen.value !== null;
  return (
    <nav class="bar" aria-label="Controls">
      <div class="bar-group">
        <span class="with-meter">
          <Control id="mute" icon={heard ? "microphone" : "microphoneOff"} label={heard ? "Mute" : "Unmute"} hint="M" off={!heard} onClick={() => void actions.toggleMicrophone()} />
          <Meter track={media.microphone.value} on={heard} />
        </span>
        <Control id="camera" icon={seen ? "camera" : "cameraOff"} label={seen ? "Camera off" : "Camera on"} hint="V" off={!seen} onClick={() => void actions.toggleCamera()} />
        {canShare && (
          <Control id="share" class="wide" icon="share" label={sharing ? "Stop sharing" : "Share screen"} hint="S" pressed={sharing} onClick={() => void actions.toggleShare()} />
        )}
        <Control id="hand" class="wide" icon="hand" label={hand ? "Lower hand" : "Raise hand"} hint="H" pressed={hand} onClick={actions.toggleHand} />
      </div>
      <div class="bar-group">
        <LayoutPicker />
        <Control id="invite" class="wide" icon="invite" label="Invite" hint="I" expanded={state.dialog.value === "invite"} onClick={() => (state.dialog.value = "invite")} />
        <Control id="people" icon="people" label="People" hint="P" expanded={state.panel.value === "people"} onClick={() => actions.show("people")} />
        <Control id="chat" icon="chat" label="Chat" hint="C" badge={state.unread.value} expanded={state.panel.value === "chat"} onClick={() => actions.show("chat")} />
        <Control id="settings" class="wide" icon="settings" label="Settings" expanded={state.dialog.value === "settings"} onClick={() => (state.dialog.value = "settings")} />
        <Control id="more" class="narrow" icon="more" label="More" expanded={state.dialog.value === "more"} onClick={() => (state.dialog.value = "more")} />
      </div>
      <div class="bar-group">
        <Control id="leave" icon="leave" label="Leave" tone="danger" onClick={actions.leave} />
      </div>
    </nav>
  );
}

/** Chooses how the picture is laid out, for all. */
function LayoutPicker() {
  const open = useSignal(false);
  const box = useRef<HTMLDivElement>(null);
  const now = state.doc.value?.conference.layout ?? "grid";
  const allowed = state.rights.value.layout;
  useEffect(() => {
    if (!open.value) return;
    const away = (e: Event) => {
      if (e instanceof KeyboardEvent ? e.key === "Escape" : !box.current?.contains(e.target as Node)) open.value = false;
    };
    box.current?.querySelector<HTMLElement>("[aria-checked=true]")?.focus();
    addEventListener("pointerdown", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", away);
    };
  }, [open.value]);
  if (!allowed) return null;
  return (
    <div class="picker wide" ref={box}>
      <Control id="layout" icon={layouts.find((l) => l.layout === now)?.icon ?? "grid"} label="Layout" hint="L" expanded={open.value} onClick={() => (open.value = !open.value)} />
      {open.value && (
        <div class="menu" role="radiogroup" aria-label="Layout for everybody" onKeyDown={arrows}>
          <p class="menu-title">Layout for everybody</p>
          {layouts.map((l) => (
            <button
              key={l.layout} type="button" role="radio" aria-checked={l.layout === now} data-layout={l.layout}
              onClick={() => { actions.setLayout(l.layout); open.value = false; document.getElementById("layout")?.focus(); }}
            >
              <Icon name={l.icon} size={20} />{l.label}{l.layout === now && <Icon name="check" size={18} />}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** Moves among the buttons of a menu with the arrow keys. */
export function arrows(e: KeyboardEvent): void {
  const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
  if (!step) return;
  e.preventDefault();
  const all = [...(e.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button:not(:disabled)")];
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[(at + step + all.length) % all.length]?.focus();
}
