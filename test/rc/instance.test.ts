import { afterEach, expect, test } from "vitest";
import { requestError } from "../../src/errors/index.js";
import type { Payload } from "../../src/messages/index.js";
import { type Answer, answeredHandle, AnsweringInstance } from "./support/instance.js";
import { fixture, TestSession } from "./support/session.js";

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A session with an instance whose attribute `a` counts how often it was asked. */
async function session(answer: Answer = () => null): Promise<{ s: TestSession; asked: [string, Payload][] }> {
  let count = 0;
  const { handle, asked } = await answeredHandle((topic, payload) => {
    if (topic === "attr.list") return { attrs: { a: String(++count) } };
    if (topic === "config.get") return { value: { t: { x: count } } };
    return answer(topic, payload);
  });
  closing.push(() => handle.close());
  const instance = await AnsweringInstance.start((topic, payload) => ({ topic, payload: payload as null }));
  closing.push(() => instance.stop());
  const s = new TestSession({ handle, env: { PATH: process.env["PATH"], SLUICE_URI: instance.uri } });
  closing.push(() => s.close());
  expect(await s.read(fixture("work.ts"))).toMatchObject({ ok: true });
  return { s, asked };
}

test("a task asks the instance through a handle of its own, and sees what has changed after that", async () => {
  const { s } = await session();
  await s.run("asks");
  expect(s.stdoutOf("asks")).toEqual(['{"topic":"echo.this","payload":{"n":1}} 5 2']);
});

test("a task sees facts as they stand when it begins", async () => {
  const { s } = await session();
  await s.run("facts");
  await s.run("facts");
  expect(s.stdoutOf("facts")).toEqual(["0 1 none 1 below", "0 2 none 2 below"]);
});

test("setenv reaches the broker before the task ends", async () => {
  const { s, asked } = await session();
  await s.run("environment");
  expect(asked.filter(([topic]) => topic === "broker.setenv")).toEqual([
    ["broker.setenv", { env: { RC_ONE: "1" } }],
    ["broker.setenv", { env: { RC_TWO: "2", RC_GONE: null } }],
  ]);
});

test("a setenv that the broker refuses fails the task with the broker's words", async () => {
  const { s } = await session((topic) => {
    if (topic === "broker.setenv") throw requestError("EINVAL", "no such names here");
    return null;
  });
  const waiting = s.run("waits");
  for (const task of ["environment", "forgets-environment"]) {
    await expect(s.run(task)).rejects.toThrow("no such names here");
  }
  expect(s.env).not.toHaveProperty("RC_ONE");
  await s.run("meets");
  await waiting;
});
