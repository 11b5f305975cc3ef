import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** A C library that is whole in 40 kB of the package, and runs with any other; then what there is. */
export const COMPILERS = [["musl-gcc", "-static"], ["cc", "-static"], ["cc"]];

/** Makes the program that does what Node cannot do (ADR 16). Packages for other machines are given theirs by the release. */
export function makeHelper() {
  mkdirSync("dist/bin", { recursive: true });
  const helper = `dist/bin/sluice-init-${process.platform}-${process.arch}`;
  const parts = ["sluice-init", "supervise", "pipes"].map((name) => `native/${name}.c`);
  const small = [
    "-Wall",
    "-Os",
    "-s",
    "-fno-asynchronous-unwind-tables",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wl,--gc-sections",
  ];
  const isMade = COMPILERS.some(
    ([compiler, ...flags]) =>
      spawnSync(compiler, [...small, ...flags, "-o", helper, ...parts], { stdio: "ignore" }).status === 0,
  );
  if (!isMade) console.warn("no C compiler: as process 1, sluice will not reap what others leave behind");
}
