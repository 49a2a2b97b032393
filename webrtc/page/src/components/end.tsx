import * as actions from "../actions.ts";
import type { Ending } from "../call.ts";
import * as state from "../state.ts";
import { sentence } from "../signalling.ts";
import { Mark } from "./icon.tsx";

const words: Record<Ending["reason"], { title: string; text: string; again: boolean }> = {
  left: { title: "You left", text: "", again: true },
  booted: { title: "You were removed", text: "Somebody who may do so took you out of the conference.", again: true },
  ended: { title: "The conference has ended", text: "", again: true },
  replaced: { title: "You went on elsewhere", text: "This conference is open in another tab or window now.", again: true },
  shutdown: { title: "The bridge is shutting down", text: "It may be back in a moment.", again: true },
  failed: { title: "The connection was lost", text: "", again: true },
  refused: { title: "You cannot come back in", text: "", again: true },
  unreachable: { title: "The bridge cannot be reached", text: "", again: true },
};

/** What people see when it is over. */
export function End() {
  const e = state.ending.value;
  if (!e) return null;
  const w = words[e.reason] ?? words.failed;
  const text = sentence(e.text) || w.text;
  return (
    <main class="end">
      <div class="end-card" role="alert">
        <Mark size={44} />
        <h1>{w.title}</h1>
        <p class="end-name">{state.conference.value}</p>
        {text && <p>{text}</p>}
        <div class="row">
          {w.again && <button id="again" type="button" class="primary" autoFocus onClick={actions.again}>Join again</button>}
          <a class="button quiet" href="/">Another conference</a>
        </div>
      </div>
    </main>
  );
}
