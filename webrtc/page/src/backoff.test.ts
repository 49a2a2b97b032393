import assert from "node:assert/strict";
import { test } from "node:test";
import { keptFor, mayContinue, pause, sameOrigin } from "./backoff.ts";

test("pauses double up to ten seconds", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 100].map((n) => pause(n, 0)), [400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
});

test("up to a quarter of a pause is random", () => {
  assert.equal(pause(0, 0.999), 300);
  assert.equal(pause(9, 0.5), 8750);
});

test("the same connection goes on only while the bridge keeps its leg", () => {
  assert.equal(mayContinue(0, "connected"), true);
  assert.equal(mayContinue(keptFor - 1, "failed"), true); // an ICE restart mends it
  assert.equal(mayContinue(keptFor, "connected"), false);
  assert.equal(mayContinue(0, "closed"), false);
  assert.equal(mayContinue(0, "none"), false);
});

test("an answer with another session id comes from a connection that knows nothing of ours", () => {
  const sdp = (id: string, version: number) => `v=0\r\no=- ${id} ${version} IN IP4 0.0.0.0\r\ns=-\r\n`;
  assert.equal(sameOrigin(sdp("17", 1), sdp("17", 2)), true);
  assert.equal(sameOrigin(sdp("17", 1), sdp("18", 1)), false);
  assert.equal(sameOrigin("", ""), false);
});
