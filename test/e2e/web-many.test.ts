import { writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connect, type Handle } from "../../src/messages/index.js";
import { liveInstance, type LiveInstance } from "../helpers/live-instance.js";
import { expectAccessible, launchBrowser, PAGE_TIMEOUT_MS, visit, type Visitor } from "../helpers/page.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

vi.setConfig({ testTimeout: 3 * PAGE_TIMEOUT_MS, hookTimeout: 3 * PAGE_TIMEOUT_MS });

const MODULES = 2000;
/** What may be in the document, whatever is shown. */
const MOST_ROWS = 100;
const AT_A_TIME = 100;

const nameOf = (n: number): string => `idle-${String(n).padStart(4, "0")}`;

let box: Sandbox;
let instance: LiveInstance;
let handle: Handle;
let web: RunningCommand;
let browser: Browser;
let visitor: Visitor;
let page: Page;

beforeAll(async () => {
  box = new Sandbox();
  const path = box.write("idle.mjs", "export async function modMain(h) { await h.run(); }\n");
  instance = await liveInstance(box);
  handle = await connect(instance.uri);
  for (let n = 0; n < MODULES; n += AT_A_TIME) {
    const names = Array.from({ length: AT_A_TIME }, (_, i) => nameOf(n + i));
    await Promise.all(names.map((name) => handle.rpc("module.load", { path, name, thread: "shared" })));
  }
  const token = "a-token-of-the-tests-0123456789";
  writeFileSync(`${box.dir}/token`, token, { mode: 0o600 });
  web = instance.start("web", `--token-file=${box.dir}/token`);
  await web.waitFor("token is in ");
  browser = await launchBrowser();
  visitor = await visit(browser, { url: web.output().trim(), token });
  page = await visitor.open("?view=modules");
  await row(0).waitFor();
});

afterAll(async () => {
  await browser.close();
  web.kill("SIGTERM");
  await web.finished;
  await handle.close();
  await instance.stop();
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

const row = (n: number) => page.locator(`tr[data-unit="${nameOf(n)}"]`);
const grid = () => page.getByRole("grid");
const rowsInDocument = (): Promise<number> => page.locator("tbody tr").count();

/** Resolves when the table says that it has so many rows. */
const counted = (rows: number): Promise<void> =>
  page.locator(`[role=grid][aria-rowcount="${rows}"]`).waitFor();

/** Moves the table, and has it drawn. */
async function scrollTo(share: number): Promise<void> {
  // A string: this file knows no document.
  await page.evaluate(
    `(() => {
      const box = document.querySelector(".table");
      box.scrollTop = (box.scrollHeight - box.clientHeight) * ${share};
    })()`,
  );
}

test("2,000 modules have at most 100 rows in the document, wherever the table is", async () => {
  expect(await grid().getAttribute("aria-rowcount")).toBe(String(MODULES));
  for (const [share, seen] of [
    [0, 0],
    [0.5, MODULES / 2],
    [1, MODULES - 1],
    [0, 0],
  ] as const) {
    await scrollTo(share);
    await row(seen).waitFor();
    expect(await rowsInDocument()).toBeLessThanOrEqual(MOST_ROWS);
    // A reader of the screen knows where the row is.
    expect(await row(seen).getAttribute("aria-rowindex")).toBe(String(seen + 1));
  }
  await expectAccessible(page);
  expect(visitor.faults).toEqual([]);
});

test("keys lead to the last of 2,000 and back, and the address says which it is", async () => {
  await page.getByRole("group", { name: "Table of modules" }).focus();
  await page.keyboard.press("End");
  await page.locator(`tr[data-unit="${nameOf(MODULES - 1)}"][aria-selected=true]`).waitFor();
  expect(new URL(page.url()).searchParams.get("unit")).toBe(nameOf(MODULES - 1));
  await page.keyboard.press("Home");
  await page.locator(`tr[data-unit="${nameOf(0)}"][aria-selected=true]`).waitFor();
});

test("a filter finds one of 2,000", async () => {
  await page.getByLabel("Filter").fill("1234");
  await row(1234).waitFor();
  expect(await grid().getAttribute("aria-rowcount")).toBe("1");
  await page.getByLabel("Filter").fill("");
  await counted(MODULES);
});

test("one of 2,000 that ends and one that starts are seen without a reload", async () => {
  await handle.rpc("module.remove", { name: nameOf(0) });
  await row(0).waitFor({ state: "detached" });
  await counted(MODULES - 1);
  await handle.rpc("module.load", { path: `${box.dir}/idle.mjs`, name: nameOf(0), thread: "shared" });
  await counted(MODULES);
});
