import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces } from "./links.ts";
import { colour, initials, suggestion, tidy } from "./names.ts";
import { news } from "./news.ts";
import type { Document, User } from "./protocol.ts";

test("links are found, and nothing else becomes one", () => {
  assert.deepEqual(pieces("see https://example.org/a(b), or (http://x.test)."), [
    { text: "see " },
    { text: "https://example.org/a(b)", href: "https://example.org/a(b)" },
    { text: ", or (" },
    { text: "http://x.test", href: "http://x.test/" },
    { text: ")." },
  ]);
  for (const text of ["javascript:alert(1)", "<a href=x>", "data:text/html,x", "mailto:a@b"]) {
    assert.deepEqual(pieces(text), [{ text }]);
  }
  assert.equal(pieces('https://x.test/"onclick=').at(0)!.href, "https://x.test/");
});

test("a conference's name has no space, slash or at sign", () => {
  assert.equal(tidy("  Monday  talk / all@home "), "Monday-talk--allhome");
  assert.equal([...tidy("ü".repeat(100))].length, 64);
  assert.match(suggestion(() => 0), /^[a-z]+-[a-z]+-10$/);
  assert.match(suggestion(() => 0.999), /^[a-z]+-[a-z]+-99$/);
});

test("initials and colours are those of the picture", () => {
  assert.equal(initials("Ada Lovelace"), "AL");
  assert.equal(initials("+49 … 67"), "46");
  assert.equal(initials("…"), "?");
  assert.equal(colour("Paula Phrase"), "#c9573a"); // as the mixer draws her
});

function user(name: string, more: Partial<User> = {}, status: "connected" | "alerting" = "connected"): User {
  return {
    name, order: 1, roles: ["participant"], number: "", muted: false, speaking: false, hand: "", camera: true, waiting: false, waitsFor: "", sidebar: "",
    endpoints: { leg: { kind: "webrtc", status, joined: "", method: "", reason: "", media: {} } }, ...more,
  };
}
const state = (users: Record<string, User>) => ({ self: "me", users, chat: {} }) as unknown as Document;

test("the news tells who came, went, is muted or raises a hand, not what oneself does", () => {
  const before = state({ me: user("Me"), ada: user("Ada"), bob: user("Bob"), tel: user("+49 … 67", {}, "alerting") });
  const now = state({
    me: user("Me", { muted: true }), ada: user("Ada", { muted: true, hand: "2026-01-02T15:04:05.000Z" }), tel: user("+49 … 67"), eve: user("Eve", {}, "alerting"),
  });
  assert.deepEqual(news(before, now).map((n) => n.text), ["Ada is muted", "Ada raised a hand", "+49 … 67 joined", "Bob left"]);
});
