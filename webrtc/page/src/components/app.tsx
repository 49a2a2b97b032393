import { useEffect, useRef } from "preact/hooks";
import * as actions from "../actions.ts";
import { keyboard } from "../keys.ts";
import { dismiss } from "../notice.ts";
import * as state from "../state.ts";
import { Bar } from "./bar.tsx";
import { Chat } from "./chat.tsx";
import { Dialogs } from "./dialogs.tsx";
import { End } from "./end.tsx";
import { Icon } from "./icon.tsx";
import { Lobby } from "./lobby.tsx";
import { Roster } from "./roster.tsx";
import { Stage, Title } from "./stage.tsx";

export function App() {
  useEffect(keyboard, []);
  const name = state.conference.value;
  useEffect(() => {
    document.title = name ? `${name} · tutti` : "tutti";
  }, [name]);
  return (
    <>
      <Place />
      <Toasts />
      <p class="hidden" role="status" aria-live="polite">{state.announcement.value}</p>
    </>
  );
}

function Place() {
  switch (state.place.value) {
    case "conference":
      return <Conference />;
    case "ended":
      return <End />;
  }
  return <Lobby />;
}

function Conference() {
  const panel = state.panel.value;
  return (
    <main class="conference" data-panel={panel ?? undefined}>
      <Title />
      <Stage />
      {panel && <SidePanel key={panel} panel={panel} />}
      <Bar />
      <Dialogs />
    </main>
  );
}

/** People or chat beside the picture; on a small screen below it. */
function SidePanel({ panel }: { panel: state.Panel }) {
  const title = panel === "people" ? "People" : "Chat";
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    const e = element.current!;
    if (!e.contains(document.activeElement)) e.querySelector("h2")!.focus();
    return () => {
      // Who was in it goes on at the button that opened it.
      if (document.activeElement === document.body) document.getElementById(panel)?.focus();
    };
  }, []);
  return (
    <aside class="panel" id={`${panel}-panel`} aria-label={title} ref={element}>
      <header>
        <h2 tabIndex={-1}>{title}</h2>
        <button type="button" class="plain" aria-label={`Close ${title.toLowerCase()}`} onClick={() => actions.show(null)}><Icon name="close" /></button>
      </header>
      {panel === "people" ? <Roster /> : <Chat />}
    </aside>
  );
}

function Toasts() {
  return (
    <div class="toasts">
      {state.toasts.value.map((t) => (
        <p key={t.id} class="toast" data-kind={t.kind}>
          {t.text}
          <button type="button" class="plain" aria-label="Dismiss" onClick={() => dismiss(t.id)}><Icon name="close" size={16} /></button>
        </p>
      ))}
    </div>
  );
}
