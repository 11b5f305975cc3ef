import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import {
  expectAccessible as expectAccessiblePage,
  launchBrowser,
  PAGE_TIMEOUT_MS,
  visit,
} from "../helpers/page.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

/** A description, an error and a log line that would do something if they were taken for HTML. */
const HOSTILE = "<img src=x onerror=hit()><script>hit()</script>";

/** The same without what no topic has. */
const HOSTILE_WORD = "<img/src=x/onerror=hit()>";

const MODULE = `
export async function modMain(h) {
  h.handle("say", ({ payload }) => { h.log("info", payload.text); return {}; });
  h.handle(${JSON.stringify(HOSTILE_WORD)}, () => new Promise(() => undefined));
  h.handle("never", () => new Promise(() => undefined));
  h.handle("crash", () => { h.stop(new Error(${JSON.stringify(HOSTILE)})); return {}; });
  await h.run();
}
`;

const UNITS = `
[[modules]]
name = "alpha"
description = ${JSON.stringify(HOSTILE)}
module = "DIR/member.mjs"
on-failure = "log"

[[modules]]
name = "beta"
module = "DIR/member.mjs"
requires = ["alpha"]
after = ["alpha"]
on-failure = "log"

[[modules]]
name = "gamma"
module = "DIR/member.mjs"
on-failure = "log"
`;

// Browsers are slow where the machine is busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let box: Sandbox;
let instance: RunningCommand;
let uri: string;
/** Where the units of the tests are. */
let env: Readonly<Record<string, string>>;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let web: RunningCommand;
let url: string;
let token: string;
/** What pages did that they must not do. */
let faults: readonly string[];
let open: (query?: string) => Promise<Page>;
/** Addresses that pages have asked for. */
let asked: string[];

/** Starts the server with a token that outlives it. */
async function startWeb(port: number): Promise<RunningCommand> {
  const options = [`--listen=127.0.0.1:${port}`, "--interval=0.2", `--token-file=${box.dir}/token`];
  const running = box.start(["web", ...options], { env: { ...env, SLUICE_URI: uri } });
  await running.waitFor("token is in ");
  return running;
}

async function run(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await box.run(args, { env: { ...env, SLUICE_URI: uri } });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

beforeAll(async () => {
  box = new Sandbox();
  token = "a-token-of-the-tests-0123456789";
  writeFileSync(`${box.dir}/token`, token, { mode: 0o600 });
  box.write("member.mjs", MODULE);
  box.write("lib/modprobe/modprobe.toml", UNITS.replaceAll("DIR", box.dir));
  box.write(
    "lib/modprobe/rc1.toml",
    'load = ["beta"]\n[[tasks]]\nname = "greet"\ncommand = "true"\nafter = ["beta"]\n',
  );
  env = { SLUICE_LIBEXECDIR: `${box.dir}/lib`, SLUICE_DATADIR: `${box.dir}/lib` };
  instance = box.start(["start", "bash", "-c", 'echo "uri=$SLUICE_URI;"; exec sluice event sub test.never'], {
    env,
  });
  await instance.waitFor(";\n");
  uri = /uri=(.*);/.exec(instance.output())?.[1] ?? "";
  web = await startWeb(0);
  url = web.output().trim();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser.close();
  web.kill("SIGTERM");
  expect((await web.finished).status).toBe(0);
  instance.kill("SIGTERM");
  await instance.finished;
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

beforeEach(async () => {
  asked = [];
  ({ context, faults, open } = await visit(browser, { url, token }));
  context.on("request", (request) => asked.push(request.url()));
  page = await open();
  return async () => {
    expect(faults).toEqual([]);
    await context.close();
  };
});

const view = (name: string): Promise<void> => page.getByRole("link", { name, exact: true }).click();
const rowOf = (name: string) => page.locator(`tr[data-unit="${name}"]`);

const expectAccessible = (): Promise<void> => expectAccessiblePage(page);

test("trap-I1: the token leaves the address, and no request has it in its URL", async () => {
  expect(page.url()).toBe(url);
  await view("Modules");
  await rowOf("alpha").waitFor();
  expect(asked.length).toBeGreaterThan(3);
  expect(asked.filter((one) => one.includes(token) || !one.startsWith(url))).toEqual([]);
});

test("the plan shows each unit with its live state, and what explain says of the chosen one", async () => {
  const picture = page.locator(".canvas svg");
  await picture.waitFor();
  const { nodes } = JSON.parse(await run("modprobe", "graph", "--format=json")) as {
    nodes: { name: string }[];
  };
  const units = "[...document.querySelectorAll('.canvas [data-unit]')].map((one) => one.dataset.unit)";
  const shown = await page.evaluate<string[]>(units);
  expect(new Set(shown)).toEqual(new Set(nodes.map(({ name }) => name)));
  for (const unit of ["alpha", "beta", "greet"]) {
    await picture.locator(`[data-unit="${unit}"][data-state="ready"]`).waitFor();
  }
  await page.getByRole("searchbox").fill("alp");
  await page.getByRole("button", { name: "alpha" }).click();
  const explained = await run("modprobe", "explain", "alpha");
  await page.getByLabel("Explanation of alpha").filter({ hasText: "defined at" }).waitFor();
  expect((await page.getByLabel("Explanation of alpha").textContent())?.trim()).toBe(explained.trim());
  expect(new URL(page.url()).searchParams.get("unit")).toBe("alpha");
  await expectAccessible();
});

test("modules are those of module list, and the log of the chosen one is live and is text", async () => {
  await view("Modules");
  await rowOf("beta").click();
  const { modules } = JSON.parse(await run("rpc", "module.list")) as {
    modules: { name: string; state: string }[];
  };
  expect(await page.getByRole("grid").getAttribute("aria-rowcount")).toBe(String(modules.length));
  for (const { name, state } of modules) {
    expect(await rowOf(name).locator("td").nth(1).textContent()).toBe(state);
  }
  await run("rpc", "beta.say", JSON.stringify({ text: HOSTILE }));
  await page.getByLabel("Log lines of beta").filter({ hasText: HOSTILE }).waitFor();
  expect(await page.locator("main img, main script").count()).toBe(0);
  await expectAccessible();
});

test("the timeline has the recorded runs, their critical chain, and predicts", async () => {
  await view("Timeline");
  await page.locator(".canvas svg [data-unit=alpha]").waitFor();
  const runs = JSON.parse(await run("modprobe", "analyze", "--list", "--json")) as unknown[];
  expect(await page.getByLabel("Run", { exact: true }).locator("option").count()).toBe(runs.length);
  const chain = await run("modprobe", "analyze", "critical-chain");
  expect((await page.getByLabel("Critical chain").textContent())?.trim()).toBe(chain.trim());
  await page.locator(".canvas svg [data-unit=beta]").click();
  await page.getByLabel("beta 1 times as fast").fill("4");
  await page.getByText(/^recorded .*, predicted /).waitFor();
  await expectAccessible();
});

test("ranks are those of overlay status, with the chosen unit on each", async () => {
  await page.goto(`${url}?view=ranks&unit=beta`);
  await page.getByRole("heading", { name: "1 rank, full" }).waitFor();
  await page.getByRole("cell", { name: "online" }).waitFor();
  await page.getByRole("cell", { name: "ready" }).waitFor();
  await expectAccessible();
});

test("an action says its command and what it would do, asks once, and is seen in all tabs", async () => {
  const other = await open("?view=modules");
  await page.goto(`${url}?view=plan&unit=gamma`);
  await page.getByRole("button", { name: "load", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("sluice modprobe load gamma").waitFor();
  await dialog.getByText("load gamma", { exact: true }).waitFor();
  await expectAccessible();
  await dialog.getByRole("button", { name: "load" }).click();
  await dialog.getByText("done").waitFor();
  await other.locator('tr[data-unit="gamma"]').waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  for (const [action, command] of [
    ["reload", "sluice module reload gamma"],
    ["restart", "sluice module remove gamma && sluice modprobe load gamma"],
    ["remove", "sluice modprobe remove gamma"],
  ] as const) {
    await page.getByRole("button", { name: action, exact: true }).click();
    await dialog.getByText(command).waitFor();
    await dialog.getByRole("button", { name: action }).click();
    await dialog.getByText("done").waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
  }
  await other.locator('tr[data-unit="gamma"]').waitFor({ state: "detached" });
});

test("waits are those of sluice waits, as they come and go", async () => {
  await run("modprobe", "load", "gamma");
  await view("Modules");
  const waits = page.getByLabel("Requests that wait");
  await waits.filter({ hasText: "nothing waits" }).waitFor();
  const asking = box.start(["rpc", "gamma.never"], { env: { ...env, SLUICE_URI: uri } });
  await waits.filter({ hasText: "gamma.never" }).waitFor();
  await expect
    .poll(async () => shape(await waits.textContent()), { timeout: 60_000 })
    .toBe(shape(await run("waits")));
  await expectAccessible();
  asking.kill("SIGTERM");
  await asking.finished;
  await waits.filter({ hasText: "nothing waits" }).waitFor();
  await run("modprobe", "remove", "gamma");
});

/** Of lines, without the times. */
const shape = (text: string | null): string => (text ?? "").trim().replace(/\d+\.\d+/g, "N");

test("a hostile name and topic are text in every view", async () => {
  // Of a link to the page: no module has such a name.
  const name = HOSTILE_WORD;
  const asking = box.start(["rpc", `beta.${HOSTILE_WORD}`], { env: { ...env, SLUICE_URI: uri } });
  for (const one of ["plan", "modules", "timeline", "ranks"]) {
    await page.goto(`${url}?view=${one}&unit=${encodeURIComponent(name)}`);
    await page.locator("main").getByText(name).first().waitFor();
    // The topic of what waits.
    if (one === "modules")
      await page
        .getByLabel("Requests that wait")
        .filter({ hasText: `beta.${name}` })
        .waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
    await expectAccessible();
  }
  asking.kill("SIGTERM");
  await asking.finished;
});

test("keys alone carry an action out", async () => {
  await page.goto(`${url}?view=plan&unit=gamma`);
  await page.getByRole("button", { name: "load", exact: true }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  const yes = dialog.getByRole("button", { name: "load" });
  await yes.waitFor();
  const isReached = (): Promise<boolean> =>
    page.evaluate("document.activeElement.matches('dialog button.primary')");
  for (let n = 0; n < 5 && !(await isReached()); n++) await page.keyboard.press("Tab");
  expect(await isReached()).toBe(true);
  await page.keyboard.press("Enter");
  await dialog.getByText("done").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await run("modprobe", "remove", "gamma");
});

test("an action whose dialog was closed does not return with the answer to its dry run", async () => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.goto(`${url}?view=plan&unit=gamma`);
  await page.route("**/api/actions", async (route) => {
    await released;
    await route.continue();
  });
  await page.getByRole("button", { name: "load", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  const answered = page.waitForResponse("**/api/actions");
  release();
  await (await answered).finished();
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  expect(await dialog.count()).toBe(0);
  await page.unroute("**/api/actions");
});

test("a module that crashes while looked at is failed, with its message as text", async () => {
  await run("modprobe", "load", "gamma");
  await page.goto(`${url}?view=modules&unit=gamma`);
  await rowOf("gamma").waitFor();
  await run("rpc", "gamma.crash");
  await rowOf("gamma").waitFor({ state: "detached" });
  await page.getByRole("alert").filter({ hasText: HOSTILE }).waitFor();
  await view("Plan");
  await page.getByRole("complementary", { name: "Unit" }).filter({ hasText: "✕ failed" }).waitFor();
  expect(await page.locator("main img, main script").count()).toBe(0);
});

test("keys alone lead through the table and the picture", async () => {
  await view("Modules");
  await rowOf("alpha").waitFor();
  await page.getByRole("group", { name: "Table of modules" }).focus();
  await page.keyboard.press("End");
  const last = await page.locator("tr[aria-selected=true]").getAttribute("data-unit");
  await page.keyboard.press("Home");
  await expect.poll(() => page.locator("tr[aria-selected=true]").getAttribute("data-unit")).not.toBe(last);
  await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("BUTTON");
  await view("Plan");
  const picture = page.locator(".canvas svg");
  await picture.waitFor();
  const before = await picture.getAttribute("viewBox");
  await page.locator(".canvas").focus();
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowRight");
  const zoomed = await picture.getAttribute("viewBox");
  expect(zoomed).not.toBe(before);
  await page.keyboard.press("0");
  expect(await picture.getAttribute("viewBox")).toBe(before);
});

test("trap-I9: the page comes back by itself when the server was restarted", async () => {
  await view("Modules");
  await rowOf("alpha").waitFor();
  web.kill("SIGTERM");
  expect((await web.finished).status).toBe(0);
  await page.getByText("the server cannot be reached").waitFor();
  web = await startWeb(Number(new URL(url).port));
  await page.getByText("live", { exact: true }).waitFor();
  await rowOf("alpha").waitFor();
});

test("trap-I2: ten tabs have one stream between them, and one takes over when its tab closes", async () => {
  const tabs = await Promise.all(Array.from({ length: 9 }, () => open("?view=modules")));
  await view("Modules");
  for (const tab of [page, ...tabs]) await tab.locator('tr[data-unit="alpha"]').waitFor();
  expect(asked.filter((one) => one === `${url}api/events`)).toHaveLength(1);
  const [left, ...others] = [page, ...tabs] as const;
  await left.close();
  await run("modprobe", "load", "gamma");
  for (const tab of others) await tab.locator('tr[data-unit="gamma"]').waitFor();
  await run("modprobe", "remove", "gamma");
});

test("trap-I11: 20 quick reloads all load", async () => {
  for (let n = 0; n < 20; n++) await page.reload({ waitUntil: "domcontentloaded" });
  await page.getByText("live", { exact: true }).waitFor();
  await view("Modules");
  await rowOf("alpha").waitFor();
});

test("a tab without the token gets it from another one, else from the user, and is told when it is wrong", async () => {
  const second = await context.newPage();
  await second.goto(url);
  await second.getByText("live", { exact: true }).waitFor();
  const stranger = await (await browser.newContext()).newPage();
  stranger.setDefaultTimeout(PAGE_TIMEOUT_MS);
  await stranger.goto(url);
  const field = stranger.getByLabel(/^Token/);
  await field.fill("wrong");
  await stranger.getByRole("button", { name: "Open" }).click();
  await stranger.getByText("the token is wrong").waitFor();
  await field.fill(token);
  await stranger.getByRole("button", { name: "Open" }).click();
  await stranger.getByText("live", { exact: true }).waitFor();
  await stranger.context().close();
});

test.each([
  [320, "dark"],
  [1920, "light"],
] as const)("nothing is wider than %i px, in %s", async (width, colorScheme) => {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 700 });
  for (const name of ["Plan", "Modules", "Timeline", "Ranks"]) {
    await view(name);
    await page.locator("main .canvas svg, main table").first().waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    await expectAccessible();
  }
});

test("trap-I8: the address with its token is printed to a terminal only, else a 0600 file is named", async () => {
  // Another server may be on its way out.
  const before = new Set(box.leftovers());
  const other = box.start(["web"], { env: { ...env, SLUICE_URI: uri } });
  await other.waitFor("token is in ");
  const isNew = (name: string): boolean => name.startsWith("sluice-web-") && !before.has(name);
  const dir = box.leftovers().find(isNew) ?? "";
  const file = `${box.runtimeDir}/${dir}/url`;
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}\n$/);
  other.kill("SIGINT");
  const { status, stdout, stderr } = await other.finished;
  expect(status).toBe(130);
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\n$/);
  expect(stdout + stderr).not.toContain("#token=");
  expect(existsSync(file)).toBe(false);
});

test.each([
  [["--listen=0.0.0.0:0"], 2, "needs --token-file, --tls-cert and --tls-key"],
  [["--listen=nowhere"], 2, "must be HOST:PORT, [IPV6]:PORT or unix:PATH"],
  [["--base-path=a/../b"], 2, "must be a path such as /sluice"],
  [["--tls-cert=x"], 2, "--tls-cert and --tls-key go together"],
  [["--token-file=/nonexistent"], 1, "token file /nonexistent: No such file or directory"],
])("refuses %s with status %i", async (args, wanted, says) => {
  const { status, stderr } = await box.run(["web", ...args], { env: { ...env, SLUICE_URI: uri } });
  expect(stderr).toContain(says);
  expect(status).toBe(wanted);
});
