import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
  copyFileSync(join(import.meta.dirname, "../instance/fixtures/asker.mjs"), join(sandbox.dir, "asker.mjs"));
});
afterEach(() => {
  expect(sandbox.survivors()).toEqual([]);
  sandbox.remove();
});

/** `page` comes after `store` alone, and asks `table` too; `slow` waits for `page` in vain. */
const STACK = `[[modules]]
name = "store"
module = "./asker.mjs"

[[modules]]
name = "table"
module = "./asker.mjs"

[[modules]]
name = "page"
module = "./asker.mjs"
args = ["store", "table"]
after = ["store"]

[[modules]]
name = "slow"
module = "./asker.mjs"
after = ["page"]
`;

/** In which all goes well. */
const LUCKY = "store\ntable\npage\nslow\n";

describe("modprobe learn", () => {
  test("names the line to add and the relation without use, and writes a fragment that mends the start", async () => {
    const file = sandbox.write("stack.toml", STACK);
    sandbox.write("order", LUCKY);
    const start = ["start", "-f", "stack.toml", "--shuffle=@order"];
    const script = "sluice modprobe learn --json && sluice modprobe learn --write learned.toml";
    const learned = await sandbox.run([...start, script]);
    expect(learned).toMatchObject({ status: 0 });
    const [json = "", ...text] = learned.stdout.trimEnd().split("\n");
    expect(JSON.parse(json)).toMatchObject({
      isComplete: true,
      missing: [
        {
          ...{ unit: "page", asked: "table", topics: ["table.get"], closesRing: false },
          ...{ after: "table", line: 'after = ["store", "table"]', isReplaced: true, file, lineNumber: 13 },
        },
      ],
      doubtful: [],
      unused: [{ unit: "slow", after: "page", key: "after", file, lineNumber: 18 }],
    });
    expect(text.join("\n")).toContain(`  make it after = ["store", "table"]  (${file}:13)`);
    expect(text.join("\n")).toContain("  slow after page: ");
    expect(readFileSync(join(sandbox.dir, "learned.toml"), "utf8")).toContain("[page]\n");

    const mended = await sandbox.run([...start, "-f", "learned.toml", "sluice modprobe learn --json"]);
    expect(JSON.parse(mended.stdout)).toMatchObject({ missing: [], doubtful: [] });
  });

  test("takes a relation that was added since the run into account", async () => {
    sandbox.write("stack.toml", STACK);
    sandbox.write("order", LUCKY);
    const script =
      `printf '[page]\\n"after+" = ["table"]\\n' > mend.toml && ` +
      "sluice modprobe learn --json --file stack.toml --file mend.toml";
    const learned = await sandbox.run(["start", "-f", "stack.toml", "--shuffle=@order", script]);
    expect(JSON.parse(learned.stdout)).toMatchObject({ missing: [] });
  });

  test("finds nothing to add to the shipped units, and says of a run without modules that it has no messages", async () => {
    sandbox.write("tasks.toml", '[[tasks]]\nname = "only"\ncommand = "true"\n');
    const script =
      "sluice modprobe learn --json; sluice modprobe learn; " +
      "sluice modprobe run --quiet tasks.toml && sluice modprobe learn";
    const learned = await sandbox.run(["start", script]);
    const [json = "", ...text] = learned.stdout.trimEnd().split("\n");
    expect(JSON.parse(json)).toMatchObject({ isComplete: true, missing: [], doubtful: [] });
    expect(text).toContain("relations order all units that messages connect");
    expect(learned.status).toBe(1);
    expect(learned.stderr).toContain("the run has no record of messages");
  });
});
