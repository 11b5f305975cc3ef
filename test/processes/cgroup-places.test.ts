/** Where cgroups can be made, read from what the kernel says of a process (docs/design/programs.md §1). */
import { describe, expect, test } from "vitest";
import { findPlaces } from "../../src/processes/cgroups.js";

const UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
const HYBRID = [
  "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755",
  "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
  "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
  "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
].join("\n");

const everywhere = (): boolean => true;
const only =
  (...directories: readonly string[]) =>
  (directory: string): boolean =>
    directories.includes(directory);

describe("the places of cgroups", () => {
  test("are in the own cgroup of version 2", () => {
    expect(findPlaces("0::/user.slice/a.scope\n", UNIFIED, everywhere)).toEqual({
      unified: "/sys/fs/cgroup/user.slice/a.scope",
      memory: undefined,
    });
  });

  test("are in both versions on a hybrid system", () => {
    const own = "8:pids:/\n4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n";
    expect(findPlaces(own, HYBRID, everywhere)).toEqual({
      unified: "/sys/fs/cgroup/unified",
      memory: "/sys/fs/cgroup/memory/jobs/7",
    });
  });

  test("are none where nothing can be written, or nothing is mounted", () => {
    const nothing = { unified: undefined, memory: undefined };
    expect(findPlaces("4:memory:/jobs/7\n0::/\n", HYBRID, () => false)).toEqual(nothing);
    expect(findPlaces("4:memory:/jobs/7\n0::/\n", "", everywhere)).toEqual(nothing);
    expect(findPlaces("", HYBRID, everywhere)).toEqual(nothing);
    expect(findPlaces("9:name=systemd:/\n", HYBRID, everywhere)).toEqual(nothing);
  });

  test("are below what a container has mounted, and never above it", () => {
    const mounted = "30 23 0:26 /docker/c\\0401 /cg rw - cgroup2 cgroup2 rw";
    expect(findPlaces("0::/docker/c 1/app\n", mounted, everywhere).unified).toBe("/cg/app");
    expect(findPlaces("0::/docker/c 1\n", mounted, everywhere).unified).toBe("/cg");
    expect(findPlaces("0::/docker/c 12\n", mounted, everywhere).unified).toBeUndefined();
  });

  test("are beside a broker that the service manager has put into a subgroup of its own", () => {
    const own = "0::/system.slice/sluice.service/broker\n";
    const service = "/sys/fs/cgroup/system.slice/sluice.service";
    expect(findPlaces(own, UNIFIED, everywhere).unified).toBe(service);
    expect(findPlaces(own, UNIFIED, only(`${service}/broker`)).unified).toBe(`${service}/broker`);
  });
});
