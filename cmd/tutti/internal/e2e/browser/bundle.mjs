// Prints one script that defines a global with what a CommonJS package exports, for a page that a test serves:
//
//   node bundle.mjs PACKAGE GLOBAL
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

const [name, global] = process.argv.slice(2);
const modules = new Map(); // file → { text, needs: { what the text says: file } }

// Debian and npm agree on few bundlers; what require() names literally is all that this one follows.
function add(file) {
  if (modules.has(file)) return file;
  const module = { text: readFileSync(file, "utf8"), needs: {} };
  modules.set(file, module);
  if (file.endsWith(".json")) {
    module.text = `module.exports = ${module.text}`;
    return file;
  }
  for (const [, wanted] of module.text.matchAll(/\brequire\(\s*["']([^"']+)["']\s*\)/g)) module.needs[wanted] = add(find(file, wanted));
  return file;
}

// A package may name another file for browsers. The slash tells the packages "events" and "debug" from Node's own modules.
function find(from, wanted) {
  const require = createRequire(from);
  if (wanted.startsWith(".")) return require.resolve(wanted);
  const description = require.resolve(`${wanted}/package.json`);
  const { browser, main } = JSON.parse(readFileSync(description, "utf8"));
  return require.resolve(join(dirname(description), typeof browser === "string" ? browser : (main ?? "index.js")));
}

const first = add(find(fileURLToPath(import.meta.url), name));
const all = [...modules].map(([file, { text, needs }]) => `${JSON.stringify(file)}: [${JSON.stringify(needs)}, function (module, exports, require) {\n${text}\n}]`);
process.stdout.write(`(() => {
const all = {${all.join(",\n")}}, loaded = {};
const load = (file) => {
  if (!loaded[file]) {
    const [needs, run] = all[file];
    loaded[file] = { exports: {} };
    run(loaded[file], loaded[file].exports, (wanted) => load(needs[wanted]));
  }
  return loaded[file].exports;
};
window[${JSON.stringify(global)}] = load(${JSON.stringify(first)});
})();
`);
