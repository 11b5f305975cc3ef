/** Texts of modules, clients and files on the terminal of the operator. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hasControls } from "../../src/errors/index.js";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
const HOSTILE = "\u001b[2J\u009b1m\u202egone\r\nbroker.err: forged";
const SHOWN = "\\x1b[2J\\x9b1m\\u202egone\\r\n  broker.err: forged";

function expectPrintable(text: string): void {
  expect(hasControls(text.replaceAll(/[\n\t]/g, ""))).toBe(false);
}

describe("fault-E3: text with control characters", () => {
  test("in the log, in an error and in an attribute is printed escaped, with further lines indented", async () => {
    box.write(
      "hostile.mjs",
      `const text = ${JSON.stringify(HOSTILE)};
       export async function modMain(h) {
         h.log("err", text);
         await h.rpc("attr.set", { name: "site.text", value: text });
         h.handle("fail", () => { throw Object.assign(new Error(text), { errnum: 2 }); });
         await h.run();
       }\n`,
    );
    const script =
      "sluice module load ./hostile.mjs; sluice rpc hostile.fail; sluice dmesg; sluice dmesg -H; sluice dmesg --json; " +
      "sluice lsattr -v; sluice module trace -T -n hostile & sleep 0; kill $!; sluice module list";
    const { stdout, stderr } = await box.run(["start", ...BARE, script]);
    expectPrintable(stdout);
    expectPrintable(stderr);
    expect(stderr).toContain(`hostile.err: ${SHOWN}\n`);
    expect(stderr).toContain(`sluice-rpc: ${SHOWN}\n`);
    expect(stdout).toMatch(/Z hostile\.err: \\x1b\[2J/);
    expect(`${stdout}${stderr}`).not.toMatch(/^broker\.err: forged/m);
    const [json = "{}"] = /^\{.*hostile.*\}$/m.exec(stdout) ?? [];
    expect(JSON.parse(json)).toMatchObject({ text: HOSTILE });
  });

  test("is no topic, no name of an attribute, and no key", async () => {
    const script = `
      sluice event pub "$(printf 'a\\033b')"; echo $?
      sluice setattr "$(printf 'a\\033b')" 1; echo $?
      sluice module load content-sqlite && sluice module load content && sluice module load kvs
      sluice kvs put "$(printf 'a\\302\\233b=1')"; echo $?
      sluice kvs unlink "$(printf 'a\\302\\233b')"; echo $?
      sluice module remove kvs; sluice module remove content; sluice module remove content-sqlite`;
    const { stdout, stderr } = await box.run(["start", ...BARE, script]);
    expect(stdout.split("\n").slice(0, 3)).toEqual(["1", "1", "1"]);
    expect(stderr).toContain("invalid key: it has control characters");
    expect(stderr).toContain("invalid attribute name: it has control characters");
    expectPrintable(stderr);
  });

  test("in a unit file is shown as it is written there, not acted on", async () => {
    const file = box.write("bad.toml", `[[tasks]]\nname = "a\\u001b[2Jb"\ncommmand = "true"\n`);
    const { stderr, status } = await box.run(["modprobe", "run", file]);
    expect(status).toBe(1);
    expectPrintable(stderr);
  });
});

test("fault-E7: a payload nested 100,000 deep is told as that", async () => {
  const file = box.write("deep.json", "[".repeat(100_000) + "]".repeat(100_000));
  const { stderr, stdout } = await box.run(["start", ...BARE, `sluice rpc echo.it - < ${file}; echo $?`]);
  expect(stdout).toBe("1\n");
  expect(stderr).toBe("sluice-rpc: JSON cannot express the payload: nested too deeply\n");
});
