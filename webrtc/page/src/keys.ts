import * as actions from "./actions.ts";
import { fullscreen } from "./components/stage.tsx";
import { canShare } from "./devices.ts";
import * as state from "./state.ts";

/** Whether a key belongs to what has the focus. */
function taken(e: KeyboardEvent): boolean {
  const t = e.target as HTMLElement;
  if (t.closest("input, textarea, select, [contenteditable]")) return true;
  return e.code === "Space" && t.closest("button, a, summary") !== null;
}

const keys: Record<string, () => void> = {
  m: () => void actions.toggleMicrophone(),
  v: () => void actions.toggleCamera(),
  s: () => canShare && void actions.toggleShare(),
  h: actions.toggleHand,
  p: () => actions.show("people"),
  c: () => actions.show("chat"),
  i: () => (state.dialog.value = "invite"),
  l: () => document.getElementById("layout")?.click(),
  f: fullscreen,
};

/** Listens to the keys until the returned function is called. */
export function keyboard(): () => void {
  const down = (e: KeyboardEvent) => {
    if (state.place.value !== "conference" || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "Escape" && !e.defaultPrevented && state.panel.value && !state.dialog.value) {
      actions.show(null);
      return;
    }
    if (taken(e) || state.dialog.value) return;
    if (e.code === "Space") {
      e.preventDefault();
      if (!e.repeat) actions.talk(true);
      return;
    }
    const act = keys[e.key.toLowerCase()];
    if (!act || e.repeat) return;
    e.preventDefault();
    act();
  };
  const up = (e: KeyboardEvent) => {
    if (e.code === "Space") actions.talk(false);
  };
  const blur = () => actions.talk(false);
  addEventListener("keydown", down);
  addEventListener("keyup", up);
  addEventListener("blur", blur);
  return () => {
    removeEventListener("keydown", down);
    removeEventListener("keyup", up);
    removeEventListener("blur", blur);
  };
}
