/** The example of a container: its command line as process 1, in namespaces of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

const EXAMPLE = resolve(import.meta.dirname, "../../examples/container");
const isRoot = process.getuid?.() === 0;

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** A word of the Dockerfile, with the places of this test. */
function here(word: string): string {
  return word.replace("/run/sluice", join(box.dir, "run")).replace("/var/lib/sluice", join(box.dir, "lib"));
}

/** The fragments of the example, with a port and a program of this test. */
function siteOf(port: number): string {
  for (const file of ["modprobe.d/greet.toml", "rc1.d/greet.toml"]) {
    const text = readFileSync(join(EXAMPLE, "modprobe", file), "utf8");
    box.write(`etc/modprobe/${file}`, text.replaceAll("8080", String(port)).replace("/srv/", `${EXAMPLE}/`));
  }
  return join(box.dir, "etc");
}

test.each(isRoot ? [[]] : [])(
  "is up, answers, reaps, and SIGTERM ends it in order with status 0",
  async () => {
    const dockerfile = readFileSync(join(EXAMPLE, "Dockerfile"), "utf8");
    const [, command = ""] = /^CMD (.*)$/m.exec(dockerfile) ?? [];
    const [, uri = ""] = /^ENV SLUICE_URI=(.*)$/m.exec(dockerfile) ?? [];
    const [, health = ""] = /^HEALTHCHECK CMD (.*)$/m.exec(dockerfile) ?? [];
    const [, ...words] = (JSON.parse(command) as string[]).map(here);
    const port = 20_000 + (process.pid % 10_000);
    const env = { SLUICE_CONFDIR: siteOf(port), SLUICE_URI: here(uri) };
    const prefix = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"];
    const container = box.start([...words, "-S", "log-stderr-level=debug"], { prefix, env });
    await container.waitFor("broker.debug: state run\n");

    const [, ...ping] = JSON.parse(health) as string[];
    expect((await box.run(ping, { env })).status).toBe(0);
    const fetched = await fetch(`http://127.0.0.1:${port}/`);
    expect(await fetched.text()).toBe("hello\n");
    const orphans =
      "for i in 1 2 3; do sh -c 'true & exit 0'; done; until ! ps -eo stat | grep -q Z; do :; done; echo none";
    expect((await box.run(["exec", "sh", "-c", orphans], { env })).stdout).toBe("none\n");

    const init = readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, "latin1").trim();
    process.kill(Number(init), "SIGTERM");
    const { status, stderr } = await container.finished;
    expect(stderr).toContain("broker.debug: state goodbye\n");
    expect(status).toBe(0);
  },
);

test("copies what is there", () => {
  const dockerfile = readFileSync(join(EXAMPLE, "Dockerfile"), "utf8");
  const sources = [...dockerfile.matchAll(/^COPY (\S+) /gm)].map(([, source = ""]) => source);
  expect(sources).toEqual(["modprobe", "greet.mjs"]);
  expect(readdirSync(EXAMPLE)).toEqual(expect.arrayContaining(sources));
});
