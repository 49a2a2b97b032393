import { useEffect } from "preact/hooks";
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
      {panel && (
        <aside class="panel" id={`${panel}-panel`} aria-label={panel === "people" ? "People" : "Chat"}>
          <header>
            <h2>{panel === "people" ? "People" : "Chat"}</h2>
            <button type="button" class="plain" aria-label="Close" onClick={() => actions.show(null)}><Icon name="close" /></button>
          </header>
          {panel === "people" ? <Roster /> : <Chat />}
        </aside>
      )}
      <Bar />
      <Dialogs />
    </main>
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
