/** The live view of `start`: what comes through one pipe, and what through another. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EVENTS_FD, StartView } from "../../../src/cli/instance/start-view.js";
import { LiveRegion } from "../../../src/cli/terminal/live-region.js";
import { Sandbox } from "../../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

/** A real pipe: where it is read, and the descriptor that its writer has. */
function pipe(name: string): { readonly end: Readable; readonly fd: number } {
  const path = join(box.dir, name);
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR);
  return { end: new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) }), fd };
}

const PLAN = `${JSON.stringify({
  command: "rc1",
  event: { type: "plan", atMs: 0, stepCount: 2, jobs: 1, epochMs: 0 },
})}\n`;

test("what was said before the terminal is given away is above, though its pipe is found readable only later", async () => {
  const [stdout, stderr, events] = [pipe("stdout"), pipe("stderr"), pipe("events")];
  const kept = new PassThrough();
  const getWindowSize = (): [number, number] => [80, 24];
  const stream = Object.assign(kept, { isTTY: false, getWindowSize });
  const update = Object.assign(() => undefined, { clear: () => undefined, done: () => undefined });
  const view = new StartView(new LiveRegion(stream, { update, widthOf: ({ length }) => length }));
  expect(EVENTS_FD).toBe(4);
  view.attach({
    stdout: stdout.end,
    stderr: stderr.end,
    stdio: [null, stdout.end, stderr.end, null, events.end],
  });
  // A poll has found standard output alone to be readable: rc1 ends before the next one.
  const left = new Promise<void>((resolve, reject) => {
    stdout.end.once("data", () => {
      writeSync(stderr.fd, "2 units in 0.3 s, 1 failed, 1 not started\n");
      view.leave().then(() => {
        kept.write("the program\n");
        resolve();
      }, reject);
    });
  });
  writeSync(stdout.fd, "begins\n");
  writeSync(events.fd, PLAN);
  await left;
  await view.close();
  kept.end();
  expect((await text(kept)).split("\n")).toEqual([
    ...["begins", "2 units in 0.3 s, 1 failed, 1 not started", "the program", ""],
  ]);
  for (const { fd } of [stdout, stderr, events]) closeSync(fd);
});
