import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";
import { giveTo, isRoot, testUsers } from "../helpers/users.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const SLOW_TO_END = `
import { existsSync } from "node:fs";
export const moduleName = "slow";
export async function modMain(h, file) {
  await h.run();
  h.log("warning", "ending");
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
  h.log("warning", "ended");
}`;

test("fault-C14: modprobe remove --cancel-after waits for longer than a timer of Node can", async () => {
  const go = join(box.dir, "go");
  box.write("modprobe.d/slow.toml", `[[modules]]\nname = "slow"\nmodule = "../slow.mjs"\nargs = ["${go}"]\n`);
  box.write("slow.mjs", SLOW_TO_END);
  const script = "sluice modprobe load slow && sluice modprobe remove --cancel-after 3000000 slow";
  const running = box.start(["start", script], { env: { FLUX_MODPROBE_PATH_APPEND: box.dir } });
  await running.waitFor("ending");
  writeFileSync(go, "");
  const { status, stderr } = await running.finished;
  expect(stderr).toContain("slow.warning: ended");
  expect(stderr).not.toMatch(/cancel/i);
  expect(status).toBe(0);
});

test.each(isRoot ? testUsers.filter(({ uid }) => uid !== 0) : [])(
  "fault-C13: a task that has become another user's times out, and the others go on, $title",
  async (user) => {
    // As sudo, it becomes root altogether, so that who started it may not signal it.
    const becomesRoot = join(box.dir, "becomes-root");
    copyFileSync("/usr/bin/setpriv", becomesRoot);
    chmodSync(becomesRoot, 0o4755);
    const go = join(box.dir, "go");
    const plan = box.write(
      "plan.toml",
      `[[tasks]]
name = "privileged"
command = ${JSON.stringify([becomesRoot, "--reuid=0", "--clear-groups", "sleep", "60"])}
timeout = "300ms"
[[tasks]]
name = "other"
command = "until [ -e ${go} ]; do sleep 0.02; done; echo other is done"
`,
    );
    giveTo(user, box.dir, plan);
    const running = box.start(["modprobe", "run", "--keep-going", plan], { prefix: user.prefix });
    await running.waitFor("belongs to another user and goes on");
    writeFileSync(go, "");
    const { status, stdout, stderr } = await running.finished;
    expect(stderr).toMatch(/^sluice-modprobe: privileged: timed out after 300ms$/m);
    expect(stdout).toContain("other is done");
    expect(status).toBe(1);
  },
);
