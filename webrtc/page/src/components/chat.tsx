import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import * as actions from "../actions.ts";
import { pieces } from "../links.ts";
import type { Line } from "../protocol.ts";
import * as state from "../state.ts";
import { Icon } from "./icon.tsx";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** What people write to each other. */
export function Chat() {
  const chat = state.doc.value?.chat ?? {};
  const ids = Object.keys(chat).sort((a, b) => Number(a) - Number(b));
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    const l = list.current!;
    if (atEnd.current) l.scrollTop = l.scrollHeight;
  }, [ids.length]);
  return (
    <>
      <ol
        id="messages" class="messages" ref={list} tabIndex={0} aria-label="Messages"
        onScroll={(e) => (atEnd.current = e.currentTarget.scrollHeight - e.currentTarget.scrollTop - e.currentTarget.clientHeight < 40)}
      >
        {ids.length === 0 && <li class="messages-empty"><Icon name="chat" size={32} /><p>Nobody has written anything yet.<br />Everybody who is here will see what you write.</p></li>}
        {ids.map((id, i) => <Message key={id} line={chat[id]!} before={i ? chat[ids[i - 1]!] : undefined} />)}
      </ol>
      <Composer onSent={() => (atEnd.current = true)} />
    </>
  );
}

function Message({ line, before }: { line: Line; before: Line | undefined }) {
  const self = state.doc.value?.self;
  const own = line.from === self;
  const to = line.to ? (line.to === self ? "you" : (state.doc.value?.users[line.to]?.name ?? "somebody who left")) : "";
  const follows = !!before && before.from === line.from && before.to === line.to && Date.parse(line.at) - Date.parse(before.at) < 120_000;
  return (
    <li class="message" data-own={own || undefined} data-follows={follows || undefined}>
      {!follows && (
        <p class="message-head">
          {!own && <b>{line.name || "Operator"}</b>}
          {to && <span class="pill">to {to} only</span>}
          <time dateTime={line.at}>{clock.format(new Date(line.at))}</time>
        </p>
      )}
      <p class="bubble">
        {pieces(line.text).map((p, i) => p.href ? <a key={i} href={p.href} target="_blank" rel="noopener noreferrer nofollow">{p.text}</a> : p.text)}
      </p>
    </li>
  );
}

function Composer({ onSent }: { onSent(): void }) {
  const text = useSignal("");
  const input = useRef<HTMLTextAreaElement>(null);
  const others = state.people.value.filter((p) => p.id !== state.doc.value?.self && Object.values(p.endpoints).some((e) => e.kind === "webrtc"));
  const to = state.chatTo.value;
  useEffect(() => input.current?.focus(), [to]);
  useEffect(() => {
    if (to && !others.some((o) => o.id === to)) state.chatTo.value = "";
  });
  const send = async (e: Event) => {
    e.preventDefault();
    const line = text.value.trim();
    if (!line) return;
    text.value = "";
    onSent();
    if (!(await actions.write(line)) && !text.value) text.value = line;
  };
  return (
    <form class="composer" onSubmit={send}>
      {others.length > 0 && (
        <label class="composer-to">
          To
          <select id="chat-to" value={to} onChange={(e) => (state.chatTo.value = e.currentTarget.value)}>
            <option value="">everybody</option>
            {others.map((o) => <option key={o.id} value={o.id}>{o.name} only</option>)}
          </select>
        </label>
      )}
      <div class="composer-line">
        <textarea
          id="message" ref={input} rows={1} maxLength={4000} placeholder="Write a message" aria-label="Message" value={text.value}
          onInput={(e) => (text.value = e.currentTarget.value)}
          onKeyDown={(e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) void send(e); }}
        />
        <button id="send" type="submit" class="plain send" aria-label="Send" disabled={!text.value.trim()}><Icon name="send" size={20} /></button>
      </div>
    </form>
  );
}
