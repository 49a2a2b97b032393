import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Broken, Refusal, sentence, Signalling, type Socket } from "./signalling.ts";

/** A WebSocket whose far end is the test. */
class Fake {
  sent: { kind: string; id: number; method: string }[] = [];
  closed = false;
  readyState = 0;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  send(data: string) {
    this.sent.push(JSON.parse(data));
  }
  close() {
    this.closed = true;
  }
  opens() {
    (this.onopen as (() => void) | null)?.();
  }
  says(message: object) {
    (this.onmessage as ((e: { data: string }) => void) | null)?.({ data: JSON.stringify(message) });
  }
  breaks(code: number) {
    (this.onclose as ((e: { code: number; reason: string }) => void) | null)?.({ code, reason: "" });
  }
}

async function connected() {
  const socket = new Fake();
  const heard: unknown[] = [];
  const opening = Signalling.open(() => socket as unknown as Socket, {
    message: (method, params) => heard.push([method, params]),
    notify: (patch) => heard.push(patch),
    closed: (code) => heard.push(code),
  });
  socket.opens();
  return { socket, heard, s: await opening };
}

test("an answer finds its request, whatever the order", async () => {
  const { socket, s } = await connected();
  const first = s.request("mute");
  const second = s.request("hand", { on: true });
  const [a, b] = socket.sent;
  socket.says({ kind: "response", id: b!.id, result: { n: 2 } });
  socket.says({ kind: "response", id: a!.id, result: { n: 1 } });
  assert.deepEqual(await first, { n: 1 });
  assert.deepEqual(await second, { n: 2 });
});

test("a refusal carries the bridge's own text", async () => {
  const { socket, s } = await connected();
  const asked = s.request("dial", { target: "1" });
  socket.says({ kind: "response", id: socket.sent[0]!.id, error: { rule: "outbound", title: "No call out", detail: "no rule allows the call" } });
  await assert.rejects(asked, (e) => e instanceof Refusal && e.rule === "outbound" && e.message === "No rule allows the call.");
});

test("messages and changes are heard; nonsense is not", async () => {
  const { socket, heard } = await connected();
  socket.says({ kind: "message", method: "joined", params: { token: "t" } });
  socket.says({ kind: "notify", version: 2, patch: { users: {} } });
  socket.says({ kind: "response", id: 99, result: {} });
  (socket.onmessage as unknown as (e: { data: string }) => void)({ data: "{" });
  assert.deepEqual(heard, [["joined", { token: "t" }], { users: {} }]);
});

test("when it breaks, who waits is told at once, and the close is told once", async () => {
  const { socket, s, heard } = await connected();
  const asked = s.request("mute");
  socket.breaks(1006);
  socket.breaks(1006);
  await assert.rejects(asked, Broken);
  await assert.rejects(s.request("unmute"), Broken);
  assert.deepEqual(heard, [1006]);
});

test("an answer that does not come is not waited for", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { s } = await connected();
    const asked = s.request("mute", {}, 1000);
    const failed = assert.rejects(asked, Broken);
    mock.timers.tick(1000);
    await failed;
  } finally {
    mock.timers.reset();
  }
});

test("a WebSocket that does not open is an error, and is given up", async () => {
  const socket = new Fake();
  const listener = { message: () => {}, notify: () => {}, closed: () => assert.fail("was never open") };
  const opening = Signalling.open(() => socket as unknown as Socket, listener);
  socket.breaks(1006);
  await assert.rejects(opening, Broken);
  assert.equal(socket.closed, true);
});

test("texts of the bridge become sentences", () => {
  assert.equal(sentence("the conference is locked"), "The conference is locked.");
  assert.equal(sentence("Why?"), "Why?");
  assert.equal(sentence(" "), "");
});
