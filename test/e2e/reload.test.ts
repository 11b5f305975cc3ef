/** Reloading modules whose files have changed, for better or worse. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const BARE = ["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

const SCRIPT = (answer: string): string =>
  `export async function modMain(h) { h.handle("say", () => "${answer}"); await h.run(); }\n`;
/** A string is sent as it is, so that it has to be JSON. */
const PYTHON = (answer: string): string =>
  `from sluice.brokermod import BrokerModule, request_handler
class M(BrokerModule):
    @request_handler("say")
    def say(self, msg):
        self.handle.respond(msg, '"${answer}"')
`;

/** What each loader runs, how it is loaded, a broken file, and where that is broken. */
const BROKEN = [
  {
    file: "m.mjs",
    good: SCRIPT("good"),
    bad: "export function modMain() {\n  const = 1;\n}\n",
    place: "m.mjs:2:9: ",
  },
  {
    file: "m.mjs",
    exec: true,
    good: SCRIPT("good"),
    bad: "export function modMain(h {}\n",
    place: "m.mjs:1:27: ",
  },
  { file: "m.ts", good: SCRIPT("good"), bad: "export const x: = 1;\n", place: "m.ts:1:1" },
  { file: "m.py", good: PYTHON("good"), bad: "def mod_main(h:\n    pass\n", place: "m.py:1:13: " },
];

test.each(BROKEN)(
  "fault-A7: $file whose new file does not compile goes on running, and the message has the place",
  async ({ file, exec = false, good, bad, place }) => {
    box.write(file, good);
    box.write(`bad/${file}`, bad);
    const load = `sluice module load ${exec ? "--exec " : ""}./${file}`;
    const script = `${load} && cp bad/${file} ${file}; sluice module reload m; echo "status $?"; sluice module reload m; sluice rpc m.say; sluice module remove m`;
    const { stdout, stderr, status } = await box.run([...BARE, script]);
    expect(stdout).toBe('status 1\n"good"\n');
    expect(stderr.split(place)).toHaveLength(3);
    expect(status).toBe(0);
  },
);

test("fault-A7: a file that is gone leaves the module running", async () => {
  box.write("m.mjs", SCRIPT("good"));
  const script =
    "sluice module load ./m.mjs && rm m.mjs; sluice module reload m; sluice rpc m.say; sluice module remove m";
  const { stdout, stderr } = await box.run([...BARE, script]);
  expect(stdout).toBe('"good"\n');
  expect(stderr).toContain("No such file or directory");
});

test("fault-A7: a file that compiles and fails while it starts stops the module, says so, and its policy applies", async () => {
  box.write("m.mjs", SCRIPT("good"));
  const script =
    "sluice module load ./m.mjs && echo 'throw new Error(\"no licence\");' > m.mjs; sluice module reload m; sleep 1000";
  const { stderr, status } = await box.run([...BARE, script]);
  expect(stderr).toMatch(/m is stopped; its file cannot be loaded: m\.mjs:1:7: no licence/);
  expect(status).toBe(1);
  // Where failures are only logged, the client lives to get its answer.
  box.write("m.mjs", SCRIPT("good"));
  const kept = await box.run([
    ...BARE,
    "-S",
    "broker.module-nopanic=1",
    script.replace("sleep 1000", "true"),
  ]);
  expect(kept.stderr).toMatch(
    /^sluice-module: m is stopped; its file cannot be loaded: m\.mjs:1:7: no licence$/m,
  );
  expect(kept.status).toBe(0);
});

test("fault-A7: a link that points to another file now is followed", async () => {
  box.write("v1/m.mjs", SCRIPT("one"));
  box.write("v2/m.mjs", SCRIPT("two"));
  const script = [
    "ln -s v1 now && sluice module load ./now/m.mjs && sluice rpc m.say",
    "ln -sfn v2 now && sluice rpc m.say && sluice module reload m && sluice rpc m.say",
    "sluice module list | grep -c /v2/m.mjs; sluice module remove m",
  ].join("; ");
  const { stdout, stderr } = await box.run([...BARE, script]);
  expect(stdout.split("\n").slice(0, 3)).toEqual(['"one"', '"one"', '"two"']);
  expect(stderr).toBe("");
});
