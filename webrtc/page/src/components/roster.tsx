import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../actions.ts";
import { isHere } from "../news.ts";
import type { Endpoint, Kind } from "../protocol.ts";
import { sentence } from "../signalling.ts";
import * as state from "../state.ts";
import { arrows } from "./bar.tsx";
import { Icon, type IconName } from "./icon.tsx";
import { Avatar } from "./parts.tsx";

const kinds: Record<Kind, { icon: IconName; label: string }> = {
  sip: { icon: "phone", label: "Phone" },
  webrtc: { icon: "browser", label: "Browser" },
  local: { icon: "local", label: "Built-in" },
};

/** Everybody who is here, or is being called. */
export function Roster() {
  const c = state.doc.value?.conference;
  return (
    <>
      <ul id="roster" class="roster">
        {state.people.value.map((p) => <Entry key={p.id} person={p} />)}
      </ul>
      <footer class="panel-foot">
        <button type="button" class="quiet" onClick={() => (state.dialog.value = "invite")}><Icon name="invite" size={18} />Invite somebody</button>
        {state.rights.value.chair && c && (
          <button type="button" class="quiet" onClick={() => actions.lock(!c.locked)}>
            <Icon name={c.locked ? "unlock" : "lock"} size={18} />{c.locked ? "Unlock" : "Lock"}
          </button>
        )}
      </footer>
    </>
  );
}

function Entry({ person: p }: { person: state.Person }) {
  const you = p.id === state.doc.value?.self;
  const devices = Object.values(p.endpoints);
  const first = devices[0];
  const here = isHere(p);
  const kind = kinds[first?.kind ?? "local"];
  const media = devices.flatMap((d) => Object.values(d.media));
  const sharing = media.some((m) => m.content === "slides" && (m.status === "sendonly" || m.status === "sendrecv"));
  const hasVideo = media.some((m) => m.type === "video" && m.content === "main" && (m.status === "sendonly" || m.status === "sendrecv"));
  return (
    <li
      class="person" data-participant={p.id} data-kind={first?.kind} data-status={first?.status} data-muted={p.muted || undefined}
      data-speaking={(p.speaking && !p.muted) || undefined} data-you={you || undefined} data-here={here || undefined}
    >
      <Avatar name={p.name} speaking={p.speaking && !p.muted && here} />
      <div class="person-text">
        <p class="person-name">
          <b>{p.name}</b>
          {you && <span class="pill">you</span>}
          {p.roles.includes("moderator") && <span class="pill">moderator</span>}
          {p.waiting && <span class="pill">in the lobby</span>}
          {p.sidebar && <span class="pill">{state.doc.value?.sidebars[p.sidebar]?.name || "sidebar"}</span>}
        </p>
        <p class="person-detail">
          <Icon name={kind.icon} size={14} />
          <span class={`status ${failed(first) ? "failed" : ""}`}>{detail(p, first, kind.label)}</span>
          <span class="hidden">{p.speaking && here ? ", speaking" : ""}{p.muted ? ", muted" : ""}{p.hand ? ", hand raised" : ""}</span>
        </p>
      </div>
      <span class="marks">
        {p.hand && <span class="mark-hand" data-tip="Hand raised"><Icon name="hand" size={18} /></span>}
        {sharing && <span data-tip="Shares the screen"><Icon name="share" size={18} /></span>}
        {here && first?.kind !== "sip" && hasVideo && !p.camera && <span data-tip="Camera off"><Icon name="cameraOff" size={18} /></span>}
        {here && p.muted && <span class="mark-muted" data-tip="Muted"><Icon name="microphoneOff" size={18} /></span>}
      </span>
      <Actions person={p} you={you} here={here} />
    </li>
  );
}

function failed(e: Endpoint | undefined): boolean {
  return e?.status === "disconnected";
}

/** The second line: what it is, or how the call fares. */
function detail(p: state.Person, e: Endpoint | undefined, kind: string): string {
  switch (e?.status) {
    case "pending":
    case "dialing-out":
      return "calling…";
    case "alerting":
      return "ringing…";
    case "dialing-in":
      return "coming in…";
    case "on-hold":
      return "on hold";
    case "disconnecting":
      return "leaving…";
    case "disconnected":
      return e.reason ? `failed: ${sentence(e.reason).replace(/\.$/, "")}` : "call ended";
  }
  return p.number && p.number !== p.name ? `${kind} · ${p.number}` : kind;
}

interface Act {
  icon: IconName;
  label: string;
  danger?: boolean;
  do(): void;
}

/** What the own role allows to do with somebody. */
function actsFor(p: state.Person, you: boolean, here: boolean): Act[] {
  const r = state.rights.value;
  const out: Act[] = [];
  const shown = state.doc.value?.conference.spotlight === p.id;
  if (!you && p.waiting && r.chair) {
    out.push({ icon: "check", label: "Let in", do: () => actions.admit(p.id) });
    out.push({ icon: "leave", label: "Turn away", danger: true, do: () => actions.deny(p.id) });
    return out;
  }
  if (here && !you && !p.muted && r.mute) out.push({ icon: "microphoneOff", label: "Mute", do: () => actions.mute(p.id, true) });
  if (here && !you && p.muted && r.chair) out.push({ icon: "microphone", label: "Let be heard", do: () => actions.mute(p.id, false) });
  if (here && r.spotlight) {
    out.push({ icon: "star", label: shown ? "No longer large" : "Show large", do: () => actions.spotlight(shown ? "" : p.id) });
  }
  if (here && !you && p.hand && r.chair) out.push({ icon: "hand", label: "Lower the hand", do: () => actions.lowerHand(p.id) });
  if (here && !you && p.endpoints && Object.values(p.endpoints).some((e) => e.kind === "webrtc")) {
    out.push({
      icon: "chat", label: "Write privately",
      do: () => {
        state.chatTo.value = p.id;
        if (state.panel.value !== "chat") actions.show("chat");
      },
    });
  }
  if (!here && !failed(Object.values(p.endpoints)[0]) && (r.chair || state.dialled.value.has(p.id))) {
    out.push({ icon: "leave", label: "Cancel the call", danger: true, do: () => actions.expel(p.id) });
  }
  if (here && !you && r.chair) out.push({ icon: "leave", label: "Remove", danger: true, do: () => actions.expel(p.id) });
  return out;
}

function Actions({ person, you, here }: { person: state.Person; you: boolean; here: boolean }) {
  const open = useSignal(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const acts = actsFor(person, you, here);
  useEffect(() => {
    if (!open.value) return;
    const away = (e: Event) => {
      if (e instanceof KeyboardEvent && e.key !== "Escape") return;
      if (e instanceof PointerEvent && box.current?.contains(e.target as Node)) return;
      open.value = false;
      if (e instanceof KeyboardEvent) {
        e.stopPropagation();
        button.current?.focus();
      }
    };
    box.current?.querySelector<HTMLElement>(".menu button")?.focus();
    addEventListener("pointerdown", away);
    addEventListener("keydown", away, true);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", away, true);
    };
  }, [open.value]);
  if (!acts.length) return <span class="no-actions" />;
  const rect = button.current?.getBoundingClientRect();
  const up = rect && rect.bottom > innerHeight - 60 - acts.length * 44;
  return (
    <div class="picker" ref={box}>
      <button
        ref={button} type="button" class="plain act" aria-label={`What to do with ${person.name}`} aria-haspopup="menu" aria-expanded={open.value}
        onClick={() => (open.value = !open.value)}
      >
        <Icon name="more" size={20} />
      </button>
      {open.value && rect && (
        <div
          class="menu floating" role="menu" onKeyDown={arrows}
          style={{ right: `${innerWidth - rect.right}px`, ...(up ? { bottom: `${innerHeight - rect.top + 4}px` } : { top: `${rect.bottom + 4}px` }) }}
        >
          {acts.map((a) => (
            <button key={a.label} type="button" role="menuitem" class={a.danger ? "danger" : ""} onClick={() => { open.value = false; a.do(); }}>
              <Icon name={a.icon} size={18} />{a.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
