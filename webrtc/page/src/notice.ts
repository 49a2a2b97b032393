import { announcement, toasts } from "./state.ts";

let next = 1;
let clear: ReturnType<typeof setTimeout> | undefined;

/** Shows a line for a few seconds; screen readers say it, too. */
export function toast(text: string, kind: "note" | "error" = "note"): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-2), { id, text, kind }];
  announce(text);
  setTimeout(() => dismiss(id), kind === "error" ? 8000 : 4000);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((t) => t.id !== id);
}

/** Lets screen readers say something. */
export function announce(text: string): void {
  announcement.value = announcement.value && Date.now() - spoken < 800 ? `${announcement.value} ${text}` : text;
  spoken = Date.now();
  clearTimeout(clear);
  clear = setTimeout(() => (announcement.value = ""), 5000);
}
let spoken = 0;
