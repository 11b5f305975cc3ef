/** What a unit calls secret is shown nowhere (docs/design/programs.md §3). */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

/** What must appear nowhere. */
const MARKER = "hunter2-hunter3";

const stackText = (more = ""): string => `
[[modules]]
name = "db"
secret = true
command = ["bash", "-c", "echo up; exec sleep 1000", "${MARKER}-word${more}"]
args = ["${MARKER}-argument${more}"]
environment = { PASSWORD = "${MARKER}-value${more}" }
environment-file = ["secret.env"]
ready = { command = ["test", "${MARKER}-word", "!=", ""], interval = "20ms" }
on-failure = "log"

[[modules]]
name = "line"
secret = true
command = "TOKEN=${MARKER}-line${more} exec sleep 1000"
requires = ["db"]
after = ["db"]

[[tasks]]
name = "seed"
secret = true
command = ["true", "${MARKER}-task${more}"]
requires = ["db"]
after = ["db"]
`;

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

/** The text of all files below a directory that have content: records, logs, registers. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .map((path) => readFileSync(path, "latin1"));
}

test("trap-E2 values of a secret unit appear in no output of a command without an instance", async () => {
  const file = box.write("stack.toml", stackText());
  const conf = box.write("other.toml", `[modules.db]\nargs = ["${MARKER}-other"]\n`);
  box.write("secret.env", `FROM_FILE=${MARKER}-file # or not\n`);
  const from = `--file=${file}`;
  const commands = [
    ["show", from, "db"],
    ["show", from, "line"],
    ["show", from, "seed"],
    ["cat", from],
    ["plan", from],
    ["plan", from, "--lock", "plan.lock"],
    ["plan", from, "--json"],
    ["load", from, "--dry-run", "line"],
    ["explain", from, "db"],
    ["explain", from, "--json", "db"],
    ["list-dependencies", from, "line"],
    ["verify", from],
    ["diff", from, "plan.lock", conf],
    ["diff", from, "--json", "plan.lock", conf],
    ...["dot", "json", "svg", "mermaid"].map((format) => ["graph", from, `--format=${format}`]),
  ];
  for (const words of commands) {
    const { status, stdout, stderr } = await box.run(["modprobe", ...words]);
    expect([words, status, stderr.includes("Usage")]).toEqual([words, 0, false]);
    expect([words, `${stdout}${stderr}`.includes(MARKER)]).toEqual([words, false]);
  }
  expect(readFileSync(join(box.dir, "plan.lock"), "utf8")).toContain('"PASSWORD": "(secret)"');
  expect(readFileSync(join(box.dir, "plan.lock"), "utf8")).not.toContain(MARKER);
  const shown = await box.run(["modprobe", "show", from, "db"]);
  expect(JSON.parse(shown.stdout)).toMatchObject({
    secret: true,
    args: ["(secret)"],
    command: ["bash", "(secret)"],
    environment: { PASSWORD: "(secret)" },
    "environment-file": ["secret.env"],
    ready: { command: ["test", "(secret)"], interval: "20ms" },
  });
});

test("trap-E2 values of a secret unit appear in no output, record, page or metric of an instance", async () => {
  const file = box.write("stack.toml", stackText());
  box.write("secret.env", `FROM_FILE=${MARKER}-file\n`);
  const state = join(box.dir, "state");
  const started = await box.run([
    "start",
    ...["-S", `statedir=${state}`, `--log-file=${box.dir}/log`, "-f", file, "--detach"],
  ]);
  expect([started.status, started.stderr.includes(MARKER)]).toEqual([0, false]);
  box.write("token", "a-token-of-the-tests-0123456789");
  await box.shell(`chmod 600 ${box.dir}/token`);
  const web = box.start(["web", "--listen=127.0.0.1:0", `--token-file=${box.dir}/token`], {
    env: { SLUICE_URI: file },
  });
  await web.waitFor("token is in ");
  box.write("stack.toml", stackText("-new"));
  const commands = [
    ["modprobe", "apply", "--dry-run"],
    ["modprobe", "apply", "--dry-run", "--json"],
    ["module", "list"],
    ["module", "list", "--json"],
    ["module", "stats", "db"],
    ["status"],
    ["status", "--json"],
    ["dmesg"],
    ["logs"],
    ["rpc", "db.status"],
    ["lsattr", "-v"],
    ["instances", "--json"],
    ["modprobe", "analyze", "--json", `--statedir=${state}`],
    ["modprobe", "apply", "--json"],
    ["module", "reload", "db"],
    ["module", "list", "--json"],
  ];
  for (const words of commands) {
    const { status, stdout, stderr } = await box.run(words);
    expect([words, status, stderr]).toEqual([words, 0, ""]);
    expect([words, stdout.includes(MARKER)]).toEqual([words, false]);
  }
  const url = web.output().trim();
  const headers = { Authorization: "Bearer a-token-of-the-tests-0123456789" };
  for (const path of ["metrics", "api/plan", "api/explain?unit=db", "api/runs"]) {
    const answer = await fetch(new URL(path, url), { headers });
    expect([path, answer.status, (await answer.text()).includes(MARKER)]).toEqual([path, 200, false]);
  }
  const stream = (await fetch(new URL("api/events", url), { headers })).body?.getReader();
  const picture = Buffer.from((await stream?.read())?.value ?? "").toString();
  await stream?.cancel();
  expect([picture.includes('"db"'), picture.includes(MARKER)]).toEqual([true, false]);
  web.kill("SIGTERM");
  await web.finished;
  expect((await box.run(["stop"])).status).toBe(0);
  const kept = [...filesBelow(state), ...filesBelow(box.runtimeDir), readFileSync(`${box.dir}/log`, "utf8")];
  expect(kept.join("")).toContain("apply: reload db");
  expect(kept.filter((text) => text.includes(MARKER))).toEqual([]);
});
