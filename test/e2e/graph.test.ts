import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodePng } from "../helpers/png.js";
import { Sandbox } from "../helpers/sluice.js";
import { parseXml, within } from "../helpers/xml.js";

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.remove());

const graph = (...args: string[]) => sandbox.run(["modprobe", "graph", ...args]);
const at = (name: string): string => join(sandbox.dir, name);

/** Names of the units that have a card. */
function unitsOf(svg: string): string[] {
  return [...within(parseXml(svg))].flatMap(({ attributes }) => attributes.get("data-unit") ?? []);
}

/** A system of so many units besides the shipped ones, each after and requiring up to three earlier ones. */
function writeUnits(count: number): Record<string, string> {
  mkdirSync(at("site/modprobe.d"), { recursive: true });
  mkdirSync(at("site/rc1.d"), { recursive: true });
  const units = Array.from({ length: count }, (_, i) => {
    const earlier = [1, 7, 31].map((step) => i - ((i * step) % 41) - 1).filter((unit) => unit >= 0);
    const names = JSON.stringify(earlier.map((unit) => `site-${unit}`));
    return `[[modules]]\nname = "site-${i}"\nafter = ${names}\nrequires = ${names}\n`;
  });
  writeFileSync(at("site/modprobe.d/site.toml"), units.join("\n"));
  const names = Array.from({ length: count }, (_, i) => `site-${i}`);
  writeFileSync(at("site/rc1.d/site.toml"), `load = ${JSON.stringify(names)}\n`);
  return { FLUX_MODPROBE_PATH_APPEND: at("site") };
}

describe("graph draws", () => {
  test("an SVG with each unit of the plan once, to standard output or into a file by its suffix", async () => {
    const shown = await graph("--format", "svg");
    expect(shown).toMatchObject({ status: 0, stderr: "" });
    const { nodes } = JSON.parse((await graph("--format", "json")).stdout) as { nodes: { name: string }[] };
    expect(unitsOf(shown.stdout).toSorted()).toEqual(nodes.map(({ name }) => name).toSorted());
    expect(await graph("-o", "plan.svg")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(at("plan.svg"), "utf8")).toBe(shown.stdout);
  });

  test("fault-E7: an SVG to standard output for -o -", async () => {
    const { stdout, status } = await graph("-o", "-");
    expect(status).toBe(0);
    expect(stdout).toBe((await graph()).stdout);
    expect(existsSync(at("-"))).toBe(false);
  });

  test("a PNG into a file or a pipe, on a machine without fonts too", async () => {
    expect(await graph("-o", "plan.PNG")).toMatchObject({ status: 0, stderr: "" });
    await sandbox.shell("sluice modprobe graph --format png | cat > piped.png");
    const file = readFileSync(at("plan.PNG"));
    expect(readFileSync(at("piped.png")).equals(file)).toBe(true);
    expect(decodePng(file).width).toBeGreaterThan(500);
  });

  test("the neighbourhood of a unit, or of the provider of a service", async () => {
    expect(unitsOf((await graph("kvs-watch", "--format", "svg")).stdout).toSorted()).toEqual([
      "kvs",
      "kvs-watch",
      "resource",
    ]);
    expect(unitsOf((await graph("content-backing", "--format", "svg")).stdout)).toContain("content-sqlite");
  });

  test("hundreds and thousands of units folded, and says so", async () => {
    for (const count of [500, 5000]) {
      const env = writeUnits(count);
      const drawn = await sandbox.run(["modprobe", "graph", "-o", "plan.svg"], { env });
      expect(drawn.status).toBe(0);
      expect(drawn.stderr).toMatch(
        /^sluice-modprobe: \d+ of \d+ units share a box with others; 'graph NAME' shows the neighbourhood of one unit\n$/,
      );
      const cards = [...within(parseXml(readFileSync(at("plan.svg"), "utf8")))].filter(
        ({ attributes }) => attributes.get("class")?.startsWith("card") === true,
      );
      expect(cards.length).toBeLessThan(400);
      const near = await sandbox.run(["modprobe", "graph", "--format", "svg", "site-40"], { env });
      expect(unitsOf(near.stdout)).toContain("site-40");
      expect(near.stderr).toBe("");
    }
  });
});

describe("graph writes a file", () => {
  test("whole or not at all, through links and with the mode it had", async () => {
    writeFileSync(at("old.svg"), "old", { mode: 0o640 });
    symlinkSync("old.svg", at("link.svg"));
    expect((await graph("-o", "link.svg")).status).toBe(0);
    expect(unitsOf(readFileSync(at("old.svg"), "utf8"))).toContain("kvs");
    expect(statSync(at("old.svg")).mode & 0o777).toBe(0o640);
    expect(readdirSync(sandbox.dir).filter((name) => name.startsWith(".sluice-"))).toEqual([]);
  });

  test("to a device as it is", async () => {
    const { stdout } = await sandbox.shell("sluice modprobe graph --format dot -o /dev/stdout | cat");
    expect(stdout).toMatch(/^digraph plan \{\n/);
  });

  test("and says why it cannot", async () => {
    mkdirSync(at("directory.svg"));
    for (const [path, why] of [
      ["none/plan.svg", "No such file or directory"],
      ["directory.svg", "Is a directory"],
    ] as const) {
      expect(await graph("-o", path)).toMatchObject({
        status: 1,
        stderr: `sluice-modprobe: ${path}: ${why}\n`,
      });
    }
    expect(existsSync(at("none"))).toBe(false);
  });
});

describe("graph refuses", () => {
  test("a format that it does not know, with the one that was meant", async () => {
    const { status, stderr } = await graph("--format", "sgv");
    expect(status).toBe(2);
    expect(stderr).toContain("dot, svg, png, mermaid, json. did you mean 'svg'?");
  });

  test("a file whose suffix says nothing", async () => {
    const { status, stderr } = await graph("-o", "plan.gif");
    expect(status).toBe(2);
    expect(stderr).toContain("no format has the suffix .gif; use --format dot|svg|png|mermaid|json");
  });

  test("a name that nothing has", async () => {
    expect(await graph("--format", "svg", "kvs-wtach")).toMatchObject({
      status: 1,
      stderr: "sluice-modprobe: no such task or module kvs-wtach; did you mean 'kvs-watch'?\n",
    });
  });

  test("a PNG on a terminal", async () => {
    const { stdout } = await sandbox.shell(
      "script --quiet --return --command 'sluice modprobe graph --format png' /dev/null; echo \"status $?\"",
    );
    expect(stdout.replaceAll("\r", "")).toBe(
      "sluice-modprobe: a PNG cannot be printed on a terminal; use -o FILE or a pipe\nstatus 1\n",
    );
  });
});
