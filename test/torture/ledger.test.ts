import { beforeEach, expect, test } from "vitest";
import { type Commit, Ledger, valueOf } from "../../bench/torture/ledger.mjs";

let nowMs: number;
let ledger: Ledger;
beforeEach(() => {
  nowMs = 0;
  ledger = new Ledger(() => nowMs);
});

function begin(number: number, key = "a"): Commit {
  nowMs += 1;
  return ledger.begin({ writer: 1, number, values: { [key]: valueOf(1, number, 16) } });
}

function put(number: number, version: number, key = "a"): string | undefined {
  const commit = begin(number, key);
  nowMs += 1;
  return ledger.answer(commit, version);
}

const isFine = (number: number): boolean => ledger.judge("a", valueOf(1, number, 16)) === undefined;

test("the last answered put is what a key may have, and no earlier one", () => {
  put(1, 10);
  put(2, 11);
  expect([isFine(1), isFine(2), isFine(3)]).toEqual([false, true, false]);
});

test("a loss names the put, its version and what was found", () => {
  put(1, 10);
  put(2, 11);
  expect(ledger.judge("a", undefined)).toMatchObject({
    kind: "loss",
    key: "a",
    answered: { what: "put 2 of writer 1", version: 11 },
    found: "no such key",
  });
  expect(ledger.judge("a", valueOf(1, 1, 16))?.found).toBe("put 1 of writer 1");
});

test("a put whose answer never came may be there or not", () => {
  put(1, 10);
  begin(2);
  expect([isFine(1), isFine(2)]).toEqual([true, true]);
});

test("a put that failed may be there until another is answered that began after it", () => {
  put(1, 10);
  ledger.fail(begin(2));
  expect([isFine(1), isFine(2)]).toEqual([true, true]);
  put(3, 12);
  expect([isFine(1), isFine(2), isFine(3)]).toEqual([false, false, true]);
});

test("a put whose connection was lost may still be on its way for a time", () => {
  const lost = begin(1);
  ledger.fail(lost, 1000);
  put(2, 10);
  expect([isFine(1), isFine(2)]).toEqual([true, true]);
  nowMs += 1000;
  put(3, 11);
  expect([isFine(1), isFine(2), isFine(3)]).toEqual([false, false, true]);
});

test("of puts that were under way together, the one with the higher version stays", () => {
  const one = begin(1);
  const other = begin(2);
  ledger.answer(other, 11);
  ledger.answer(one, 10);
  expect([isFine(1), isFine(2)]).toEqual([false, true]);
});

test("a key that was unlinked has no value, and one that never was may have none", () => {
  put(1, 10);
  expect(ledger.judge("a", undefined)?.kind).toBe("loss");
  ledger.answer(ledger.begin({ writer: 1, number: 2, values: { a: undefined } }), 11);
  expect(ledger.judge("a", undefined)).toBeUndefined();
  expect(isFine(1)).toBe(false);
  expect(ledger.judge("b", undefined)).toBeUndefined();
});

test("what was read and settled may not go again", () => {
  put(1, 10);
  ledger.fail(begin(2));
  ledger.settle("a", valueOf(1, 2, 16));
  expect([isFine(1), isFine(2)]).toEqual([false, true]);
});

test("a value that no writer made is torn", () => {
  put(1, 10);
  const whole = valueOf(1, 1, 64);
  expect(ledger.judge("a", { ...whole, text: `${String(whole["text"]).slice(0, 32)}x` })?.kind).toBe("torn");
  expect(ledger.judge("a", { other: true })?.kind).toBe("torn");
});

test("a version is answered once, goes up, and never back", () => {
  expect(put(1, 10)).toBeUndefined();
  expect(put(2, 10)).toBe("version 10 was answered twice: for put 1 of writer 1 and for put 2 of writer 1");
  expect(put(3, 9)).toBe("put 3 of writer 1 was answered version 9, after version 10");
  expect(ledger.sawVersion(10)).toBeUndefined();
  expect(ledger.sawVersion(12)).toBeUndefined();
  expect(ledger.sawVersion(11)).toBe("version 11, after version 12 was answered");
});

test("a restore sets keys back to what they were when the copy was made", () => {
  put(1, 10);
  const copy = ledger.copy();
  put(2, 11);
  put(1, 12, "b");
  ledger.setBack(copy);
  expect([isFine(1), isFine(2)]).toEqual([true, false]);
  expect(ledger.judge("b", undefined)).toBeUndefined();
  put(3, 14);
  expect([isFine(1), isFine(3)]).toEqual([false, true]);
});

test("a picture may have what was there when it was begun, and all that came since", () => {
  put(1, 10);
  put(2, 11);
  const view = ledger.view();
  put(3, 12);
  put(4, 13);
  put(1, 14, "b");
  const judged = [1, 2, 3, 4].map((number) => view.judge("a", valueOf(1, number, 16))?.kind);
  expect(judged).toEqual(["loss", undefined, undefined, undefined]);
  expect(view.judge("b", undefined)).toBeUndefined();
});
