// Drives one Chromium for the Go tests: one JSON object a line comes in ({id, op, …}), one goes out ({id, result} or {id, error}).
import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
let browser, context, page;
const logs = [];

// Runs in every page before its own code: keeps the PeerConnections so that a test can listen at the receivers.
function spy() {
  const Original = window.RTCPeerConnection;
  window.tuttiPeers = [];
  window.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      window.tuttiPeers.push(this);
    }
  };
  const OriginalSocket = window.WebSocket;
  const sockets = [];
  window.WebSocket = class extends OriginalSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };
  const live = () => window.tuttiPeers.filter((p) => p.connectionState === "connected").at(-1);
  window.tuttiTest = {
    sockets,
    track(kind) {
      return live()?.getReceivers().map((r) => r.track).find((t) => t && t.kind === kind && t.readyState === "live");
    },
    // Keeps what the browser hears from now on, 48 kHz mono.
    async listen() {
      await this.audio?.close();
      const audio = new AudioContext({ sampleRate: 48000 });
      await audio.resume();
      const source = audio.createMediaStreamSource(new MediaStream([this.track("audio")]));
      const node = audio.createScriptProcessor(4096, 1, 1);
      this.heard = [];
      node.onaudioprocess = (e) => this.heard.push(e.inputBuffer.getChannelData(0).slice());
      source.connect(node);
      node.connect(audio.destination);
      this.audio = audio;
    },
    sound() {
      const all = new Int16Array(this.heard.reduce((n, c) => n + c.length, 0));
      let at = 0;
      for (const chunk of this.heard) for (const v of chunk) all[at++] = Math.max(-1, Math.min(1, v)) * 32767;
      const bytes = new Uint8Array(all.buffer);
      let text = "";
      for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
      return btoa(text);
    },
    // The picture that the browser is sent now, as PNG.
    async picture() {
      if (!this.video) {
        this.video = document.createElement("video");
        this.video.muted = true;
        this.video.srcObject = new MediaStream([this.track("video")]);
        await this.video.play();
      }
      const canvas = document.createElement("canvas");
      canvas.width = this.video.videoWidth;
      canvas.height = this.video.videoHeight;
      if (!canvas.width) return "";
      canvas.getContext("2d").drawImage(this.video, 0, 0);
      return canvas.toDataURL("image/png").split(",")[1];
    },
    async stats() {
      const out = [];
      for (const s of (await live().getStats()).values()) out.push(s);
      return out;
    },
  };
}

const operations = {
  async launch({ audio, video, args = [], deny = false }) {
    const flags = [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio=false",
      "--disable-features=WebRtcHideLocalIpsWithMdns", "--auto-select-desktop-capture-source=Entire screen", ...args,
    ];
    if (!deny) flags.push("--use-fake-ui-for-media-stream");
    if (audio || video) flags.push("--use-fake-device-for-media-stream");
    if (audio) flags.push(`--use-file-for-fake-audio-capture=${audio}`);
    if (video) flags.push(`--use-file-for-fake-video-capture=${video}`);
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true, permissions: deny ? [] : ["camera", "microphone"] });
    await context.addInitScript(spy);
    page = await context.newPage();
    page.on("console", (m) => logs.push(`${m.type()}: ${m.text()}`));
    page.on("pageerror", (e) => logs.push(`error: ${e.message}`));
    return {};
  },
  async goto({ url }) {
    await page.goto(url);
    return {};
  },
  async script({ file }) {
    await page.addScriptTag({ content: await readFile(join(here, file), "utf8") });
    return {};
  },
  async eval({ code }) {
    return await page.evaluate(code);
  },
  async fill({ selector, text }) {
    await page.fill(selector, text, { timeout: 10000 });
    return {};
  },
  async click({ selector }) {
    await page.click(selector, { timeout: 10000 });
    return {};
  },
  async press({ key }) {
    await page.keyboard.press(key);
    return {};
  },
  async wait({ selector, state = "visible", timeout = 15000 }) {
    await page.waitForSelector(selector, { state, timeout });
    return {};
  },
  async text({ selector }) {
    return await page.innerText(selector, { timeout: 10000 });
  },
  async offline({ on }) {
    await context.setOffline(on);
    return {};
  },
  async media({ scheme = "light", width = 1280, height = 800 }) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    return {};
  },
  async screenshot({ file }) {
    await page.screenshot({ path: file });
    return {};
  },
  async reload() {
    await page.reload();
    return {};
  },
  async logs() {
    return logs;
  },
  async close() {
    await browser?.close();
    return {};
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("close", async () => {
  await browser?.close();
  process.exit(0);
});
for await (const line of lines) {
  const { id, op, ...params } = JSON.parse(line);
  try {
    const result = (await operations[op](params)) ?? null;
    process.stdout.write(JSON.stringify({ id, result }) + "\n");
  } catch (e) {
    process.stdout.write(JSON.stringify({ id, error: String(e.message ?? e) }) + "\n");
  }
}
