import { mkdirSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { expectAccessible, launchBrowser, PAGE_TIMEOUT_MS, visit, type Visitor } from "../helpers/page.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

vi.setConfig({ testTimeout: 2 * PAGE_TIMEOUT_MS, hookTimeout: 2 * PAGE_TIMEOUT_MS });

const HOSTILE = "<img src=x onerror=hit()><script>hit()</script>";

const STACK = `
load = ["api"]

[[modules]]
name = "db"
description = ${JSON.stringify(HOSTILE)}
command = "exec sleep 1001"

[[modules]]
name = "api"
command = "exec sleep 1002"
requires = ["db"]
after = ["db"]
`;

const OFFLINE = "offline: no instance";

let box: Sandbox;
let stack: string;
let web: RunningCommand;
let browser: Browser;
let visitor: Visitor;

async function printed(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await box.run(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

beforeAll(async () => {
  box = new Sandbox();
  stack = box.write("stack.toml", STACK);
  mkdirSync(`${box.dir}/state`, { mode: 0o700 });
  // Its run is recorded.
  const started = await box.run(["start", "-f", stack, "-S", `statedir=${box.dir}/state`, "true"]);
  expect(started.status).toBe(0);
  const token = box.write("token", "a-token-of-the-tests-0123456789");
  await box.shell(`chmod 600 ${token}`);
  web = box.start(["web", `--file=${stack}`, `--statedir=${box.dir}/state`, `--token-file=${token}`]);
  await web.waitFor("token is in ");
  browser = await launchBrowser();
  const place = { url: web.output().trim(), token: "a-token-of-the-tests-0123456789" };
  visitor = await visit(browser, place, OFFLINE);
});

afterAll(async () => {
  await browser.close();
  web.kill("SIGTERM");
  expect((await web.finished).status).toBe(0);
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

test("offline the page shows the plan of the files, and explains each unit of it", async () => {
  const page = await visitor.open("?view=plan&unit=db");
  await page.locator(".canvas [data-unit=db]").first().waitFor();
  const units = "[...document.querySelectorAll('.canvas [data-unit]')].map((one) => one.dataset.unit)";
  const json = JSON.parse(await printed("modprobe", "graph", `--file=${stack}`, "--format=json")) as {
    nodes: { name: string }[];
  };
  const names = json.nodes.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["db", "api"]));
  expect(new Set(await page.evaluate<string[]>(units))).toEqual(new Set(names));
  const explained = await printed("modprobe", "explain", `--file=${stack}`, "db");
  const shown = page.getByLabel("Explanation of db");
  await expect.poll(async () => (await shown.textContent())?.trim()).toBe(explained.trim());
  // There is nothing to act on.
  expect(await page.getByRole("button", { name: /^(load|apply)/ }).count()).toBe(0);
  await expectAccessible(page);
  expect(visitor.faults).toEqual([]);
});

test("offline the timeline has the runs of the statedir", async () => {
  const page = await visitor.open("?view=timeline");
  await page.locator(".canvas svg [data-unit=api]").waitFor();
  const list = await printed("modprobe", "analyze", "--list", "--json", `--statedir=${box.dir}/state`);
  const runs = JSON.parse(list) as unknown[];
  expect(runs.length).toBeGreaterThan(0);
  expect(await page.getByLabel("Run", { exact: true }).locator("option").count()).toBe(runs.length);
});

test.each(["modules", "ranks"])("offline the view of %s reports that no instance runs", async (view) => {
  const page = await visitor.open(`?view=${view}`);
  await page.getByText("No instance runs, so the table has no").waitFor();
  await expectAccessible(page);
});

test("a file that is not there is named at once, with status 1", async () => {
  const { status, stderr } = await box.run(["web", "--file=/nonexistent.toml"]);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: "sluice-web: /nonexistent.toml: No such file or directory\n",
  });
});
