/**
 * What goes wrong in a boot. `fault` is what the module at the random step does. `isProcess`: it needs a
 * process of its own. `cause`: what the last line says beside the unit, absent where the boot goes on. `unit`
 * and `attributes`: what bounds it. `breaksBefore`: the round breaks a unit file before the start.
 */
const KILLED = /SIGKILL|killed|signal 9/i;
const TIMED_OUT = /time|within|not running after/i;

export const KINDS = {
  "module fails": { fault: "fails", cause: /no track/ },
  "module exits": { fault: "exits", isProcess: true, cause: /exit|status 3/i },
  "module is killed": { fault: "killed", isProcess: true, cause: KILLED },
  "module hangs, unit with timeout": { fault: "hangs", unit: 'timeout = "1s"', cause: TIMED_OUT },
  "module hangs, broker.rc1-timeout": {
    fault: "hangs",
    attributes: { "broker.rc1-timeout": "3s" },
    cause: TIMED_OUT,
  },
  "rc host is killed": { fault: "kills the host of rc files", namesUnit: false, cause: KILLED },
  "unit file breaks": { fault: "breaks a unit file" },
  "unit file is broken": { breaksBefore: true, namesUnit: false, cause: /half\.toml/ },
};
