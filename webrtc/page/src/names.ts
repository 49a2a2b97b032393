// Names for conferences that nobody has thought of yet: easy to say, easy to spell.

const moods = [
  "amber", "bright", "calm", "clear", "early", "gentle", "golden", "happy", "light", "lively", "mellow", "merry",
  "open", "quiet", "silver", "slow", "sunny", "warm", "wide", "young",
];
const things = [
  "alto", "ballad", "bolero", "cello", "chorus", "clarinet", "duet", "fiddle", "flute", "harp", "lute", "mandolin",
  "oboe", "octet", "piano", "polka", "quartet", "rondo", "samba", "serenade", "sonata", "tango", "viola", "waltz",
];

/** Suggests a name. random is in [0, 1). */
export function suggestion(random: () => number): string {
  const pick = (from: string[]) => from[Math.floor(random() * from.length)]!;
  return `${pick(moods)}-${pick(things)}-${10 + Math.floor(random() * 90)}`;
}

/** Makes of what somebody typed a name that a conference can have: no spaces, no "/" and no "@". */
export function tidy(name: string): string {
  return [...name.trim().replace(/\s+/g, "-").replace(/[/@\p{C}]/gu, "")].slice(0, 64).join("");
}

/** One or two letters that stand for a person. */
export function initials(name: string): string {
  const words = name.replace(/[^\p{L}\p{N}\s]/gu, " ").trim().split(/\s+/).filter(Boolean);
  if (!words.length) return "?";
  const first = [...words[0]!][0]!;
  const last = words.length > 1 ? [...words[words.length - 1]!][0]! : "";
  return (first + last).toUpperCase();
}

/** The colours of the mixer's placeholder tiles: a person has the same one in the roster as in the picture. */
const colours = [
  "#3b6fd4", "#8b5cd6", "#c24b8a", "#c9573a", "#a87a1f", "#4e8b3a", "#1f8a70", "#2586a8", "#5a64c8", "#a349a4", "#b54a5c", "#5f7183",
];

/** The colour that stands for a name: FNV-1a over its UTF-8 bytes, as the mixer does it. */
export function colour(name: string): string {
  let h = 2166136261;
  for (const byte of new TextEncoder().encode(name)) h = Math.imul(h ^ byte, 16777619);
  return colours[(h >>> 0) % colours.length]!;
}
