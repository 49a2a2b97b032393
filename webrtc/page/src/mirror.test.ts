import assert from "node:assert/strict";
import { test } from "node:test";
import { Mirror } from "./mirror.ts";

/** A switch, a bridge that notes what it is told, and a clock that is turned by hand. */
function bench(local: boolean) {
  const b = {
    on: local,
    told: [] as boolean[],
    overruled: [] as boolean[],
    failures: 0,
    time: 0,
    timers: [] as { at: number; f: () => void }[],
    fail: false,
    mirror: null as unknown as Mirror,
    advance(to: number) {
      b.time = to;
      for (const t of b.timers.filter((t) => t.at <= to)) t.f();
      b.timers = b.timers.filter((t) => t.at > to);
    },
    turn(on: boolean) {
      b.on = on;
      b.mirror.push();
    },
  };
  b.mirror = new Mirror({
    local: () => b.on,
    tell: (on) => {
      b.told.push(on);
      return b.fail ? Promise.reject(new Error("no")) : Promise.resolve();
    },
    overruled: (on) => {
      b.overruled.push(on);
      b.on = on;
    },
    failed: () => b.failures++,
    now: () => b.time,
    later: (f, time) => b.timers.push({ at: b.time + time, f }),
  });
  return b;
}

test("before there is a state nothing is told", () => {
  const b = bench(true);
  b.turn(false);
  assert.deepEqual(b.told, []);
});

test("at the beginning the bridge learns what differs here", () => {
  const b = bench(false);
  b.mirror.begin(true);
  b.mirror.push();
  assert.deepEqual(b.told, [false]);
});

test("what is turned here is told once, and its echo is no order", () => {
  const b = bench(true);
  b.mirror.begin(true);
  b.turn(false);
  b.mirror.push();
  b.mirror.follow(false);
  assert.deepEqual(b.told, [false]);
  assert.deepEqual(b.overruled, []);
});

test("somebody else's hand is followed", () => {
  const b = bench(true);
  b.mirror.begin(true);
  b.mirror.follow(false);
  assert.deepEqual(b.overruled, [false]);
  assert.equal(b.on, false);
});

test("a late echo of the first of two quick turns does not undo the second", () => {
  const b = bench(true);
  b.mirror.begin(true);
  b.turn(false);
  b.turn(true);
  b.mirror.follow(false); // the state between
  b.mirror.follow(true);
  assert.deepEqual(b.told, [false, true]);
  assert.deepEqual(b.overruled, []);
  assert.equal(b.on, true);
});

test("a bridge that stays with its view wins in the end", () => {
  const b = bench(false);
  b.mirror.begin(false);
  b.turn(true);
  b.mirror.follow(false);
  assert.equal(b.on, true); // perhaps only late
  b.advance(2000);
  assert.equal(b.on, false);
});

test("a request that fails is reported", async () => {
  const b = bench(false);
  b.mirror.begin(false);
  b.fail = true;
  b.turn(true);
  await Promise.resolve().then(() => Promise.resolve());
  assert.equal(b.failures, 1);
});
