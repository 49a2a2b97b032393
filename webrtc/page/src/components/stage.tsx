import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as media from "../media.ts";
import { isHere } from "../news.ts";
import * as state from "../state.ts";
import { Icon, Mark } from "./icon.tsx";
import { Video } from "./parts.tsx";

/** The conference picture, and what lies over it. */
export function Stage() {
  return (
    <section class="stage" aria-label="Conference picture">
      <div class="picture" onDblClick={fullscreen}>
        <Video track={state.picture.value} id="picture" label="The picture of the conference" />
        {media.screen.value && (
          <p class="sharing"><Icon name="share" size={18} />You are sharing your screen <button type="button" class="link" onClick={media.unshare}>Stop</button></p>
        )}
      </div>
      <Sound />
      <Waiting />
      <Trouble />
    </section>
  );
}

export function fullscreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void document.querySelector(".picture")?.requestFullscreen?.();
}

/** The mix. Where the browser wants a click before it plays sound, it gets one. */
function Sound() {
  const element = useRef<HTMLAudioElement>(null);
  const blocked = useSignal(false);
  const track = state.sound.value;
  const play = () => {
    element.current!.play().then(
      () => (blocked.value = false),
      (e: DOMException) => (blocked.value = e.name === "NotAllowedError"),
    );
  };
  useEffect(() => {
    element.current!.srcObject = track ? new MediaStream([track]) : null;
    if (track) play();
  }, [track]);
  useEffect(() => media.followSpeaker(element.current!), []);
  return (
    <>
      <audio id="sound" ref={element} autoPlay />
      {blocked.value && (
        <button id="hear" type="button" class="hear" onClick={play}><Icon name="sound" />Click to hear the others</button>
      )}
    </>
  );
}

/** What keeps the person from the others: the lobby, or the sidebar that they are in. */
function Waiting() {
  const me = state.self.value;
  if (me?.waiting) {
    const text = me.waitsFor === "moderator" ? "The conference begins when a moderator comes." : "You are in the lobby. Somebody will let you in.";
    return <p id="waiting" class="trouble" role="status"><span class="spinner" aria-hidden="true" />{text}</p>;
  }
  const aside = me?.sidebar ? state.doc.value?.sidebars[me.sidebar] : undefined;
  if (!aside) return null;
  return <p id="aside" class="trouble" role="status"><Icon name="people" size={18} />You are in the sidebar {aside.name}: only its members hear you.</p>;
}

/** How the connection fares, when it does not. */
function Trouble() {
  const now = useSignal(performance.now());
  const since = state.trouble.value;
  useEffect(() => {
    if (since === null) return;
    now.value = performance.now();
    const timer = setInterval(() => (now.value = performance.now()), 250);
    return () => clearInterval(timer);
  }, [since]);
  if (since === null || now.value - since < 600) return null;
  const seconds = Math.floor((now.value - since) / 1000);
  return (
    <p id="trouble" class="trouble" role="status"><span class="spinner" aria-hidden="true" />Reconnecting… {seconds > 0 && <span aria-hidden="true">{seconds} s</span>}</p>
  );
}

/** The line above the picture. */
export function Title() {
  const c = state.doc.value?.conference;
  const here = state.people.value.filter(isHere).length;
  return (
    <header class="title">
      <Mark size={24} />
      <h1>{c?.title || c?.name || state.conference.value}</h1>
      {c?.locked && <span class="pill"><Icon name="lock" size={14} />locked</span>}
      <span class="count">{here === 1 ? "only you" : `${here} people`}</span>
      <span id="connection" class="connection" data-state={state.trouble.value === null ? "connected" : "reconnecting"}>
        {state.trouble.value === null ? "connected" : "reconnecting"}
      </span>
    </header>
  );
}
