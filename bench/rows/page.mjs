/** The cost of the web page of an instance with 2,000 modules in a browser: its first table, its frames, its bytes and its memory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { connect } from "../../dist/index.js";
import { median } from "../measure.mjs";
import { startServer, stop } from "../servers/start.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const IDLE_MODULE = fileURLToPath(new URL("../servers/idle-module.mjs", import.meta.url));
const BROWSER = { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] };
const TOKEN = "a-token-of-the-bench-0123456789";
const [FEW, MANY] = [10, 2000];
const AT_A_TIME = 100;
const ROUNDS = 5;
const FRAMES_MS = 3000;

/** A broker with this number of modules, and a server of its web page. */
async function served(dir, count) {
  const broker = await startServer("broker");
  const handle = await connect(broker.line);
  for (let n = 0; n < count; n += AT_A_TIME) {
    const names = Array.from({ length: Math.min(AT_A_TIME, count - n) }, (_, i) => `idle-${n + i}`);
    const load = (name) => handle.rpc("module.load", { path: IDLE_MODULE, name, thread: "shared" });
    await Promise.all(names.map(load));
  }
  await handle.close();
  const args = [SLUICE, "web", `--uri=${broker.line}`, `--token-file=${dir}/token`, "--interval=0.1"];
  const web = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(web.stdout, "data");
  return { url: String(line).trim(), close: () => Promise.all([stop(broker), stop({ child: web })]) };
}

/** Milliseconds from the address to the first row, in a browser with an empty cache. */
async function firstTableMs(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const startedAt = performance.now();
  await page.goto(`${url}?view=modules#token=${TOKEN}`);
  await page.locator("tr[data-unit]").first().waitFor();
  const ms = performance.now() - startedAt;
  await context.close();
  return ms;
}

/** Frames in a while, with a table that is scrolled in each if there is one. */
const COUNT_FRAMES = `new Promise((done) => {
  const box = document.querySelector(".table");
  const end = performance.now() + ${FRAMES_MS};
  let frames = 0;
  const frame = (now) => {
    frames += 1;
    if (box) box.scrollTop = (box.scrollTop + 200) % box.scrollHeight;
    if (now < end) requestAnimationFrame(frame);
    else done(frames);
  };
  requestAnimationFrame(frame);
})`;

async function figuresOf(browser, url) {
  const context = await browser.newContext();
  const [empty, page] = [await context.newPage(), await context.newPage()];
  await page.goto(`${url}?view=modules#token=${TOKEN}`);
  await page.locator("tr[data-unit]").first().waitFor();
  const frames = { page: [], empty: [] };
  for (let i = 0; i < 3; i++) {
    for (const [name, one] of [
      ["empty", empty],
      ["page", page],
    ]) {
      await one.bringToFront();
      frames[name].push(await one.evaluate(COUNT_FRAMES));
    }
  }
  const session = await context.newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await context.close();
  return { page: median(frames.page), empty: median(frames.empty), heapMegabytes: usedSize / 1e6 };
}

/** Kilobytes of the first event of a stream, which is the whole picture. */
async function pictureKilobytes(url) {
  const ended = new AbortController();
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const { body } = await globalThis.fetch(`${url}api/events`, { headers, signal: ended.signal });
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (Buffer.from(chunk).includes("\n\n")) break;
  }
  ended.abort();
  return bytes / 1000;
}

async function measure() {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  writeFileSync(`${dir}/token`, TOKEN, { mode: 0o600 });
  const [few, many, browser] = [
    await served(dir, FEW),
    await served(dir, MANY),
    await chromium.launch(BROWSER),
  ];
  try {
    const [fewMs, manyMs] = [[], []];
    for (let i = 0; i < ROUNDS; i++) {
      fewMs.push(await firstTableMs(browser, few.url));
      manyMs.push(await firstTableMs(browser, many.url));
    }
    const [own, base] = [median(manyMs), median(fewMs)];
    const { page, empty, heapMegabytes } = await figuresOf(browser, many.url);
    const perSecond = (frames) => `${(frames / (FRAMES_MS / 1000)).toFixed(0)}/s`;
    return [
      {
        what: "first table",
        measured: own / base,
        unit: `× that of ${FEW} modules`,
        detail: `${own.toFixed(0)} ms, ${base.toFixed(0)} ms`,
      },
      {
        what: "frames of an empty page against those of the table that is scrolled",
        measured: empty / page,
        goal: 1.25,
        unit: "×",
        detail: `${perSecond(empty)}, ${perSecond(page)}`,
      },
      {
        what: "first picture",
        measured: await pictureKilobytes(many.url),
        unit: "kB",
        detail: "of the stream",
      },
      { what: "memory", measured: heapMegabytes, unit: "MB", detail: "of JavaScript in the page" },
    ];
  } finally {
    await browser.close();
    await Promise.all([few.close(), many.close()]);
    rmSync(dir, { recursive: true, force: true });
  }
}

export const PAGE = [
  { name: "page", title: `the page of an instance of ${MANY} modules, in Debian's Chromium`, measure },
];
