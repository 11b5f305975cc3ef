import { describe, expect, test } from "vitest";
import { defaultDirectories, rcSearchPath, unitSearchPath } from "../../src/units/index.js";

const directories = { dataDir: "/data", libexecDir: "/libexec", confDir: "/conf" };

describe("the search path", () => {
  test.each([
    ["by default", {}, ["/data/modprobe", "/conf/modprobe"]],
    ["replaced", { FLUX_MODPROBE_PATH: "/a:/b" }, ["/a", "/b"]],
    ["replaced by nothing", { FLUX_MODPROBE_PATH: "" }, []],
    [
      "with something before",
      { FLUX_MODPROBE_PATH_PREPEND: "/a" },
      ["/a", "/data/modprobe", "/conf/modprobe"],
    ],
    [
      "with something after",
      { FLUX_MODPROBE_PATH_APPEND: "/a:/b" },
      ["/data/modprobe", "/conf/modprobe", "/a", "/b"],
    ],
    [
      "with all three",
      { FLUX_MODPROBE_PATH: "/m", FLUX_MODPROBE_PATH_PREPEND: "/p", FLUX_MODPROBE_PATH_APPEND: "/a" },
      ["/p", "/m", "/a"],
    ],
    ["without empty and blank entries", { FLUX_MODPROBE_PATH: ":/a:: :/b:" }, ["/a", "/b"]],
    [
      "with duplicates at their first place",
      { FLUX_MODPROBE_PATH: "/a:/b:/a", FLUX_MODPROBE_PATH_APPEND: "/b/" },
      ["/a", "/b"],
    ],
    ["of relative directories", { FLUX_MODPROBE_PATH: "./x:x:../y" }, ["./x", "../y"]],
  ])("%s", (_, env, expected) => {
    expect(unitSearchPath(env, directories)).toEqual(expected);
  });

  test("of rc files has libexec in place of data", () => {
    expect(rcSearchPath({}, directories)).toEqual(["/libexec/modprobe", "/conf/modprobe"]);
    expect(rcSearchPath({ FLUX_MODPROBE_PATH: "/a" }, directories)).toEqual(["/a"]);
  });
});

test("directories are those of the package and of the site, unless the environment moves them", () => {
  const { dataDir, libexecDir, confDir } = defaultDirectories({});
  expect(dataDir).toBe(new URL("../../etc", import.meta.url).pathname);
  expect(libexecDir).toBe(dataDir);
  expect(confDir).toBe("/etc/sluice");
  expect(defaultDirectories({ SLUICE_DATADIR: "/d", SLUICE_LIBEXECDIR: "/l", SLUICE_CONFDIR: "/c" })).toEqual(
    { dataDir: "/d", libexecDir: "/l", confDir: "/c" },
  );
});
