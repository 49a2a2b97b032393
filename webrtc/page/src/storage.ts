// What the browser keeps for us. Storage may be forbidden or full: then nothing is kept, and everything else works.

function read(store: () => Storage, key: string): string {
  try {
    return store().getItem(key) ?? "";
  } catch {
    return "";
  }
}

function write(store: () => Storage, key: string, value: string): void {
  try {
    if (value) store().setItem(key, value);
    else store().removeItem(key);
  } catch {
    // nothing is kept
  }
}

const local = () => localStorage;
const tab = () => sessionStorage;

/** Kept on this machine. */
export const remembered = {
  get: (key: string) => read(local, `tutti.${key}`),
  set: (key: string, value: string) => write(local, `tutti.${key}`, value),
};

/** What a tab needs to come back to its conference after a reload. */
export interface Return {
  conference: string;
  name: string;
  token: string;
  microphone: boolean;
  camera: boolean;
}

/** Kept for this tab. */
export const comeback = {
  get(): Return | null {
    try {
      return JSON.parse(read(tab, "tutti.return")) as Return;
    } catch {
      return null;
    }
  },
  set: (r: Return | null) => write(tab, "tutti.return", r ? JSON.stringify(r) : ""),
};
