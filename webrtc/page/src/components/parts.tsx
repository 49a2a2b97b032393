import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { meter } from "../level.ts";
import { colour, initials } from "../names.ts";
import { Icon, type IconName } from "./icon.tsx";

/** A round button of the bar with its tooltip. */
export function Control(props: {
  id?: string;
  icon: IconName;
  label: string;
  hint?: string; // the key
  pressed?: boolean; // a toggle
  expanded?: boolean; // opens something
  off?: boolean; // drawn as switched off
  tone?: "danger";
  badge?: number;
  class?: string;
  onClick(): void;
}) {
  const tip = props.hint ? `${props.label} (${props.hint})` : props.label;
  return (
    <button
      id={props.id} type="button" class={`control ${props.class ?? ""}`} data-tip={tip} data-off={props.off || undefined} data-tone={props.tone}
      data-active={props.pressed || props.expanded || undefined} aria-label={props.badge ? `${props.label}, ${props.badge} new` : props.label}
      aria-pressed={props.pressed} aria-expanded={props.expanded} aria-keyshortcuts={props.hint}
      onMouseDown={(e) => e.preventDefault()} onClick={props.onClick}
    >
      <Icon name={props.icon} />
      {props.badge ? <span class="badge" aria-hidden="true">{props.badge > 99 ? "99+" : props.badge}</span> : null}
    </button>
  );
}

/** Letters in a circle, in a colour of their own. */
export function Avatar({ name, speaking = false, size = 38 }: { name: string; speaking?: boolean; size?: number }) {
  return (
    <span class="avatar" data-speaking={speaking || undefined} style={`--colour:${colour(name)};--size:${size}px`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** The live level of a microphone. */
export function Meter({ track, on }: { track: MediaStreamTrack | null; on: boolean }) {
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (!track || !on) return;
    return meter(track, (level) => bar.current?.style.setProperty("--level", level.toFixed(3)));
  }, [track, on]);
  return (
    <span class="meter" ref={bar} data-on={(on && !!track) || undefined} aria-hidden="true">
      {Array.from({ length: 5 }, (_, i) => <i key={i} style={`--i:${i}`} />)}
    </span>
  );
}

/** Plays a track. */
export function Video(props: { track: MediaStreamTrack | null; id?: string; class?: string; label: string }) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const v = element.current!;
    v.srcObject = props.track ? new MediaStream([props.track]) : null;
    if (props.track) v.play().catch(() => undefined);
  }, [props.track]);
  return <video ref={element} id={props.id} class={props.class} autoPlay playsInline muted aria-label={props.label} />;
}

/** A choice of one device. */
export function Choice(props: {
  id: string;
  label: string;
  options: { id: string; label: string }[];
  value: string;
  onChange(id: string): void;
}) {
  if (!props.options.length) return null;
  const known = props.options.some((o) => o.id === props.value);
  return (
    <label class="field" for={props.id}>
      <span>{props.label}</span>
      <select id={props.id} value={known ? props.value : ""} onChange={(e) => props.onChange(e.currentTarget.value)}>
        {!known && <option value="">As the browser chooses</option>}
        {props.options.map((o) => <option key={o.id} value={o.id}>{o.label}</option>)}
      </select>
    </label>
  );
}

/** A dialog in the browser's own way: it keeps the focus, and Escape closes it. */
export function Dialog(props: { title: string; onClose(): void; children: ComponentChildren; class?: string }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = element.current!;
    const before = document.activeElement as HTMLElement | null;
    d.showModal();
    d.querySelector("h2")!.focus(); // not the way out, which comes first
    return () => {
      d.close();
      before?.focus(); // by now the dialog is out of the document, so the browser does not do it
    };
  }, []);
  return (
    <dialog
      ref={element} class={`dialog ${props.class ?? ""}`} aria-labelledby="dialog-title" onCancel={(e) => { e.preventDefault(); props.onClose(); }}
      onMouseDown={(e) => { if (e.target === element.current) props.onClose(); }}
    >
      <div class="dialog-body">
        <header>
          <h2 id="dialog-title" tabIndex={-1}>{props.title}</h2>
          <button type="button" class="plain" aria-label="Close" onClick={props.onClose}><Icon name="close" /></button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}
