import assert from "node:assert/strict";
import { test } from "node:test";
import { merge } from "./merge.ts";

/** Objects without prototypes compare as plain ones. */
const plain = (v: unknown) => JSON.parse(JSON.stringify(v)) as unknown;

// RFC 7396 appendix A, in its order: original, patch, result.
const examples: [unknown, unknown, unknown][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [original, patch, result] of examples) {
  test(`${JSON.stringify(original)} with ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(plain(merge(original, patch)), result);
  });
}

test("what is not touched is the same object as before, and the original is not changed", () => {
  const before = { users: { ada: { name: "Ada" }, bob: { name: "Bob" } }, chat: {} };
  const frozen = structuredClone(before);
  const now = merge(before, { users: { ada: { name: "Ada L." } } }) as typeof before;
  assert.equal(now.users.ada.name, "Ada L.");
  assert.equal(now.users.bob, before.users.bob);
  assert.equal(now.chat, before.chat);
  assert.deepEqual(before, frozen);
});

test("a key called __proto__ changes nothing but itself", () => {
  merge({}, JSON.parse('{"__proto__": {"broken": true}}'));
  assert.equal(({} as { broken?: boolean }).broken, undefined);
});
