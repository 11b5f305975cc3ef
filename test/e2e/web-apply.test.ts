import { writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { expectAccessible, launchBrowser, PAGE_TIMEOUT_MS, visit } from "../helpers/page.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

vi.setConfig({ testTimeout: 2 * PAGE_TIMEOUT_MS, hookTimeout: 2 * PAGE_TIMEOUT_MS });

/** A stack whose second program waits for the first. */
const stackOf = (first: string, second: string): string => `
[[modules]]
name = "db"
command = ${JSON.stringify(first)}

[[modules]]
name = "api"
command = ${JSON.stringify(second)}
requires = ["db"]
after = ["db"]
follows = ["db"]
ready = { log = "port" }
`;

let box: Sandbox;
let stack: string;
let instance: RunningCommand;
let web: RunningCommand;
let browser: Browser;
let page: Page;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  box = new Sandbox();
  stack = box.write("stack.toml", stackOf("exec sleep 1001", "echo on port; exec sleep 1002"));
  const token = "a-token-of-the-tests-0123456789";
  writeFileSync(`${box.dir}/token`, token, { mode: 0o600 });
  const script = 'echo "uri=$SLUICE_URI;"; exec sluice event sub test.never';
  instance = box.start(["start", "-f", stack, "bash", "-c", script]);
  await instance.waitFor(";\n");
  env = { SLUICE_URI: /uri=(.*);/.exec(instance.output())?.[1] ?? "" };
  web = box.start(["web", `--token-file=${box.dir}/token`], { env });
  await web.waitFor("token is in ");
  browser = await launchBrowser();
  const { open } = await visit(browser, { url: web.output().trim(), token });
  page = await open();
});

afterAll(async () => {
  await browser.close();
  web.kill("SIGTERM");
  await web.finished;
  instance.kill("SIGTERM");
  await instance.finished;
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

/** The dialog of an apply to all units, once its dry run is there. */
async function proposed() {
  await page.getByRole("button", { name: "apply to all units", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("sluice modprobe apply", { exact: true }).waitFor();
  return {
    dialog,
    said: dialog.getByLabel("Output"),
    yes: dialog.getByRole("button", { name: "apply" }),
  };
}

async function run(...args: readonly string[]): Promise<string> {
  return (await box.run(args, { env })).stdout;
}

const closeDialog = (): Promise<void> => page.getByRole("button", { name: /^(Close|Cancel)$/ }).click();

beforeEach(() => {
  writeFileSync(stack, stackOf("exec sleep 1001", "echo on port; exec sleep 1002"));
  return async () => {
    await closeDialog();
    writeFileSync(stack, stackOf("exec sleep 1001", "echo on port; exec sleep 1002"));
    await run("modprobe", "apply");
  };
});

test("an apply shows its dry run first, does that, and the plan is drawn anew", async () => {
  writeFileSync(stack, stackOf("exec sleep 2001", "echo on port; exec sleep 1002"));
  const { dialog, said, yes } = await proposed();
  const dryRun = await run("modprobe", "apply", "--dry-run");
  expect(dryRun).toContain("~ reload   db");
  expect(await said.textContent()).toBe(dryRun);
  await expectAccessible(page);
  await yes.click();
  await dialog.getByText("done", { exact: true }).waitFor();
  expect(await run("modprobe", "apply", "--dry-run")).toBe("2 modules stay as they are\n");
});

test("an apply to the chosen unit names it, and leaves the others", async () => {
  writeFileSync(stack, stackOf("exec sleep 2001", "echo on port; exec sleep 2002"));
  await page.locator('.canvas [data-unit="api"]').first().click();
  await page.getByRole("complementary").getByRole("button", { name: "apply", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("sluice modprobe apply api", { exact: true }).waitFor();
  await dialog.getByRole("button", { name: "apply" }).click();
  await dialog.getByText("done", { exact: true }).waitFor();
  expect(await run("modprobe", "apply", "--dry-run", "api")).not.toContain("~");
  expect(await run("modprobe", "apply", "--dry-run")).toContain("~ reload   db");
});

test("an apply that would do something else by now than what was shown is refused", async () => {
  const { dialog, yes } = await proposed();
  await yes.waitFor();
  writeFileSync(stack, stackOf("exec sleep 3001", "echo on port; exec sleep 1002"));
  await yes.click();
  await dialog
    .getByText("the effect of the action has changed since the page showed it; check the new effect")
    .waitFor();
  expect(await run("modprobe", "apply", "--dry-run")).toContain("~ reload   db");
});

test("an apply of files that are invalid is not offered, and says where they are", async () => {
  writeFileSync(stack, "[[modules]]\nname = 7\n");
  const { dialog, said, yes } = await proposed();
  await dialog.getByText("failed", { exact: true }).waitFor();
  expect(await said.textContent()).toContain("stack.toml:2:8");
  expect(await yes.count()).toBe(0);
});

test("an apply that fails shows what was rolled back and why", async () => {
  writeFileSync(stack, stackOf("exec sleep 1001", "echo no luck; exit 3"));
  const { dialog, said, yes } = await proposed();
  await yes.click();
  await dialog.getByText("failed", { exact: true }).waitFor();
  expect(await said.textContent()).toContain("rolled back: api: exit status 3");
});
