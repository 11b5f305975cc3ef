import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

test("kvs watch prints what a key has now and has next, and an empty line while it has nothing", async () => {
  const script = `
    exec 3< <(sluice kvs watch -c 3 site.racks)
    read -r first <&3
    sluice kvs put site.racks=4
    read -r second <&3
    sluice kvs put site.racks='[5]'
    read -r third <&3
    echo "[$first] [$second] [$third]"
    sluice kvs watch --json -c 1 site.racks`;
  box.write("watch.sh", script);
  const { status, stdout } = await box.run(["start", "bash", "watch.sh"]);
  const [values, json = ""] = stdout.trimEnd().split("\n");
  expect(values).toBe("[] [4] [[5]]");
  expect(JSON.parse(json)).toEqual({ version: expect.any(Number) as number, value: [5] });
  expect(status).toBe(0);
});

test("kvs watch of what cannot be a key is refused", async () => {
  const { status, stdout, stderr } = await box.run(["start", "sluice", "kvs", "watch", "a..b"]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^sluice-kvs: /m);
});
