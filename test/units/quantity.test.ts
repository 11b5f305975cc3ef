import { describe, expect, test } from "vitest";
import { parseDuration, parseSize } from "../../src/units/index.js";

describe("a duration", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["1.5s", 1500],
    ["0s", 0],
    ["infinity", Infinity],
  ])("%s is %d ms", (text, value) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: { text, value } });
  });

  test.each([
    "",
    "30",
    "s",
    "-1s",
    "1 s",
    "1S",
    "1w",
    "1e3s",
    ".5s",
    "1.s",
    "Infinity",
    "1s ",
    "1constructor",
    "NaNs",
  ])("cannot be %j", (text) => {
    expect(parseDuration(text).ok).toBe(false);
  });
});

describe("a size", () => {
  test.each([
    ["1B", 1],
    ["2kB", 2000],
    ["3MB", 3e6],
    ["1GB", 1e9],
    ["1KiB", 1024],
    ["512MiB", 536_870_912],
    ["1.5GiB", 1_610_612_736],
  ])("%s is %d bytes", (text, value) => {
    expect(parseSize(text)).toEqual({ ok: true, value: { text, value } });
  });

  test.each(["", "512", "MiB", "0B", "0.1B", "-1MiB", "1 MiB", "1mib", "1KB", "1toString"])(
    "cannot be %j",
    (text) => {
      expect(parseSize(text).ok).toBe(false);
    },
  );
});
