// Copies the browser files and fonts that we use from node_modules to where the server expects them. Nothing is bundled.
//
//   npm ci --ignore-scripts --no-audit --no-fund && node vendor.mjs
//
// exam/static/vendor/   scripts, styles, one sprite of icons, and manifest.json: {"exam/vendor/htmx.min.js": "<12 hex of sha-256>"}
//                       The server appends the digest as ?v=, so a browser may keep each file for good.
// exam/kit/fonts/       the two cuts of Noto Sans SC that paper is set in
// Both folders are ignored by git and may be removed at any time.

import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const packages = join(root, "node_modules");
const browserFolder = join(root, "exam", "static", "vendor");
const fontFolder = join(root, "exam", "kit", "fonts");

const BROWSER_FILES = {
  "htmx.min.js": "htmx.org/dist/htmx.min.js",
  "sse.min.js": "htmx-ext-sse/dist/sse.min.js",
  "idiomorph-ext.min.js": "idiomorph/dist/idiomorph-ext.min.js",
  "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
  "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
  "uPlot.min.css": "uplot/dist/uPlot.min.css",
};

const FONTS = {
  "NotoSansSC-Regular.ttf": "@expo-google-fonts/noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf",
  "NotoSansSC-Bold.ttf": "@expo-google-fonts/noto-sans-sc/700Bold/NotoSansSC_700Bold.ttf",
  "LICENSE_FONT": "@expo-google-fonts/noto-sans-sc/LICENSE_FONT",
};

// Names as in Tabler's outline set. A menu entry or `icon(name)` may use any of these; add a name here to use another.
const ICONS = `
  activity adjustments alert-circle alert-triangle ambulance apps archive arrow-back-up arrow-down arrow-left arrow-right arrow-up
  barcode bed bell book building building-hospital bulb bus calendar calendar-event calendar-plus calendar-time camera cash category
  chart-bar chart-line check checklist checks chevron-down chevron-left chevron-right chevron-up circle-check circle-x clipboard
  clipboard-check clipboard-data clipboard-heart clipboard-list clipboard-plus clock coin copy credit-card database device-desktop
  device-mobile devices dna-2 door-enter door-exit download droplet ear edit exclamation-circle external-link eye eye-check eye-off
  file-certificate file-check file-export file-import file-invoice file-text filter first-aid-kit flag flask folder gauge gift
  grid-dots hand-stop heart-rate-monitor heartbeat help history home hourglass id id-badge-2 info-circle key keyboard layout-dashboard
  link list list-check list-details list-search lock lock-open login logout mail-forward map-pin menu-2 message messages microscope
  minus notebook notes package packages pencil phone phone-call photo-scan pill player-play plug-connected plus point printer qrcode
  receipt receipt-refund refresh repeat report report-analytics report-medical report-money route ruler-measure scale scan search send
  server settings shield-check shield-lock signature speakerphone stethoscope switch-horizontal table tag tags test-pipe test-pipe-2
  thermometer timeline tool trash truck truck-delivery upload urgent user user-check user-circle user-cog user-plus user-search
  user-x users users-group vaccine virus writing x
`.trim().split(/\s+/);

/** One sprite from single drawings: <use href="icons.svg#printer">. */
async function iconSprite() {
  const symbols = await Promise.all(ICONS.map(async (name) => {
    const drawing = await readFile(join(packages, "@tabler/icons/icons/outline", `${name}.svg`), "utf8");
    const inside = drawing.slice(drawing.indexOf(">", drawing.indexOf("<svg")) + 1, drawing.lastIndexOf("</svg>"));
    const strokes = inside.replace(/<path stroke="none"[^>]*\/>/, "").replace(/\s*\n\s*/g, "");
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" `
      + `stroke-linecap="round" stroke-linejoin="round">${strokes}</symbol>`;
  }));
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`;
}

async function copyAll(files, folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, source] of Object.entries(files)) {
    await copyFile(join(packages, source), join(folder, name));
  }
}

await copyAll(BROWSER_FILES, browserFolder);
await copyAll(FONTS, fontFolder);
await writeFile(join(browserFolder, "icons.svg"), await iconSprite());

const manifest = {};
for (const name of [...Object.keys(BROWSER_FILES), "icons.svg"]) {
  const digest = createHash("sha256").update(await readFile(join(browserFolder, name))).digest("hex");
  manifest[`exam/vendor/${name}`] = digest.slice(0, 12);
}
await writeFile(join(browserFolder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`${Object.keys(manifest).length} browser files, ${ICONS.length} icons, ${Object.keys(FONTS).length - 1} fonts`);
