import { defineConfig } from "vite";

// One page, one script, one style sheet; their names carry a hash of what is in them, so that they may be kept for ever.
export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    proxy: { "/ws": { target: "ws://localhost:8080", ws: true } },
  },
});
