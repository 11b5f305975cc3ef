import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

const EXAMPLE = join(import.meta.dirname, "../../examples/loader-lua");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

/** Runs a script, with `$COUNTER` the module of the example, in an instance whose configuration is the example's. */
function inInstance(script: string): Promise<Finished> {
  const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "-S", "broker.module-nopanic=1"];
  return box.run(["start", "-c", join(EXAMPLE, "config.toml"), ...bare, "bash", "-ec", script], {
    env: { COUNTER: join(EXAMPLE, "counter.lua") },
  });
}

test("a module in Lua is loaded, asked, told events, reloaded and removed, under any name", async () => {
  const { status, stdout, stderr } = await inInstance(
    `sluice module load $COUNTER 5; sluice module load -n other $COUNTER
     sluice rpc counter.next; sluice rpc other.next
     sluice rpc counter.add '{"n":3}'; sluice rpc counter.rank
     sluice rpc counter.ping '{"a":[],"b":"é\\u0001\\ud83d\\ude00","c":[1.5,null,true]}'; sluice rpc counter.ping
     sluice rpc event.publish '{"topic":"counter.reset","payload":{"count":100}}'
     sluice rpc counter.next
     sluice module reload counter 7; sluice rpc counter.next
     sluice module remove counter; sluice module remove other`,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout.split("\n").map((line) => (line === "" ? null : (JSON.parse(line) as unknown)))).toEqual([
    { count: 6, by: "counter" },
    { count: 1, by: "other" },
    { count: 9 },
    "0",
    { a: [], b: "é\u0001😀", c: [1.5, null, true] },
    { seq: 1 },
    { count: 101, by: "counter" },
    { count: 8, by: "counter" },
    null,
  ]);
  expect(box.survivors()).toEqual([]);
});

test("errors of a module in Lua have its own text, whether of a request, of the program or of its file", async () => {
  const { stdout, stderr } = await inInstance(
    `sluice module load $COUNTER
     sluice rpc counter.add '{"n":"x"}' || echo "status $?"
     sluice rpc counter.nothing || echo "status $?"
     sluice rpc counter.break || echo "status $?"
     echo 'local x = =' >bad.lua; sluice module load ./bad.lua || echo "status $?"
     echo 'local h = ...' >early.lua; sluice module load ./early.lua || echo "status $?"`,
  );
  expect(stdout).toBe("status 1\n".repeat(5));
  expect(stderr).toContain("sluice-rpc: add: 'n' must be an integer\n");
  expect(stderr).toContain("sluice-rpc: counter.nothing: no such method\n");
  expect(stderr).toContain("sluice-rpc: counter: module disconnect\n");
  expect(stderr).toMatch(/counter module runtime failure: .*counter\.lua:\d+: attempt to concatenate/);
  expect(stderr).toMatch(/^sluice-module: .*bad\.lua:1: unexpected symbol/m);
  expect(stderr).toMatch(/^sluice-module: .*early\.lua: returned without h:run\(\) \(Invalid argument\)$/m);
});
