/** A piece of a text: with an address it is a link. */
export interface Piece {
  text: string;
  href?: string;
}

const pattern = /\bhttps?:\/\/[^\s<>"']+/gi;

/** Finds the links in a text. Only http and https become links; what ends a sentence does not belong to them. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const m of text.matchAll(pattern)) {
    let url = m[0].replace(/[.,;:!?…]+$/, "");
    if (url.endsWith(")") && !url.includes("(")) url = url.slice(0, -1);
    let href: string;
    try {
      href = new URL(url).href;
    } catch {
      continue;
    }
    if (m.index > at) out.push({ text: text.slice(at, m.index) });
    out.push({ text: url, href });
    at = m.index + url.length;
  }
  if (at < text.length) out.push({ text: text.slice(at) });
  return out;
}
