/**
 * The module of a boot under torture: it records its start and its shutdown. One of them has the fault.
 *
 * Arguments: `record=FILE`, `fault=KIND` and `file=PATH`, the file for that kind of fault.
 */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

export async function modMain(handle, ...args) {
  const { record, fault, file } = Object.fromEntries(args.map((arg) => arg.split(/=(.*)/s)));
  const write = (what) => appendFileSync(record, `${what} ${handle.name}\n`);
  if (fault !== undefined) {
    write("fault");
    await FAULTS[fault]({ handle, file });
  }
  write("run");
  await handle.run();
  write("shutdown");
}

const FAULTS = {
  fails() {
    throw Object.assign(new Error("no track"), { errnum: 19 });
  },
  exits() {
    process.exit(3);
  },
  killed() {
    process.kill(process.pid, "SIGKILL");
    return new Promise(() => undefined);
  },
  hangs() {
    return new Promise(() => undefined);
  },
  "breaks a unit file"({ file }) {
    writeFileSync(file, "[[modules]]\nname = \n");
  },
  "kills the host of rc files"() {
    for (const pid of phaseProcesses()) process.kill(pid, "SIGKILL");
  },
};

/** The processes of this instance that read rc files and carry out their plan. */
function phaseProcesses() {
  const mark = `SLUICE_TORTURE_MARK=${process.env.SLUICE_TORTURE_MARK}`;
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
      const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      return environment.includes(mark) && words.includes("modprobe") && words.includes("rc1");
    } catch (error) {
      if (["ENOENT", "ESRCH", "EACCES"].includes(error.code)) return false;
      throw error;
    }
  });
}
