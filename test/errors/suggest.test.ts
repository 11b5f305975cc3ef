import { describe, expect, test } from "vitest";
import { didYouMean } from "../../src/errors/index.js";

const known = ["heartbeat", "content", "content-files", "kvs", "kvs-watch", "a"];

describe("a name that is not known", () => {
  test.each([
    ["hearbeat", "heartbeat"],
    ["Kvs", "kvs"],
    ["content_files", "content-files"],
    ["contnt", "content"],
    ["kvs-wtach", "kvs-watch"],
    ["vks", "kvs"],
  ])("%s is taken for %s", (name, meant) => {
    expect(didYouMean(name, known)).toBe(`did you mean '${meant}'?`);
  });

  test.each(["scheduler", "x", "", "zz", "job-manager"])("%j is taken for nothing", (name) => {
    expect(didYouMean(name, known)).toBeUndefined();
  });

  test("is taken for the first of those that are equally close", () => {
    expect(didYouMean("kvz", ["kvs", "kvx"])).toBe("did you mean 'kvs'?");
    expect(didYouMean("kvz", ["kvx", "kvs"])).toBe("did you mean 'kvx'?");
  });
});
