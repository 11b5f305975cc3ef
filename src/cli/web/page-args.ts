import { configFlags } from "../config-inputs.js";
import type { FactOptions } from "../facts.js";
import type { UnitOptions } from "../modprobe/units.js";

/** The options again, for the commands that plan. */
export function planArgsOf(options: FactOptions & UnitOptions): string[] {
  const { rank, size, attr = [], on } = options;
  return [
    ...(rank === undefined ? [] : [`--rank=${rank}`]),
    ...(size === undefined ? [] : [`--size=${size}`]),
    ...configFlags(options),
    ...(on === undefined ? [] : [`--on=${on}`]),
    ...attr.map(([name, value]) => `--attr=${name}=${value}`),
    ...unitArgsOf(options),
  ];
}

/** The options that define the units, for the commands that change an instance. */
export function unitArgsOf(options: FactOptions & UnitOptions): string[] {
  const { insecure, modules, file = [], setAlternative = [], disable = [] } = options;
  return [
    ...(insecure === true ? ["--insecure"] : []),
    ...(modules === undefined ? [] : [`--modules=${modules}`]),
    ...file.map((path) => `--file=${path}`),
    ...setAlternative.map(([service, unit]) => `--set-alternative=${service}=${unit}`),
    ...disable.map((name) => `--disable=${name}`),
  ];
}

/** The options that choose recorded runs. */
export function runArgsOf({
  statedir,
  rank,
}: {
  readonly statedir?: string;
  readonly rank?: number;
}): string[] {
  return [
    ...(statedir === undefined ? [] : [`--statedir=${statedir}`]),
    ...(rank === undefined ? [] : [`--rank=${rank}`]),
  ];
}
