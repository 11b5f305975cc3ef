/**
 * Synthetic catalogs as TOML text, for the planning benchmarks: `moduleCount` modules of five relations each.
 * All of them lead to earlier modules, so that the graph has no cycle. They go over a range that keeps the graph
 * neither a chain nor flat.
 */

/** A small generator of its own (mulberry32), so that every run measures the same catalog. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const RELATIONS = ["requires", "requires", "after", "after", "needs"];

/** The relations of each module as numbers: `[{ requires: [3, 1], after: [3, 2], needs: [1] }, …]`. */
export function syntheticRelations(moduleCount, seed = 1) {
  const next = random(seed);
  return Array.from({ length: moduleCount }, (_, module) => {
    const relations = { requires: [], after: [], needs: [] };
    if (module === 0) return relations;
    for (const key of RELATIONS) {
      const reach = Math.min(module, 1000);
      relations[key].push(module - 1 - Math.floor(next() * reach));
    }
    // A needed module is required too, as users write it; else most modules would be left out.
    relations.needs = [relations.requires[0]];
    return relations;
  });
}

export function moduleName(number) {
  return `module-${number}`;
}

/** Names that, as roots, put every module into the plan. */
export function syntheticRoots(moduleCount) {
  return Array.from({ length: moduleCount }, (_, module) => moduleName(module));
}

/**
 * The catalog as TOML.
 * @param wildcards tasks with `before = ["*"]`, and as many with `after = ["*"]`
 */
export function syntheticToml(moduleCount, { seed = 1, wildcards = 0 } = {}) {
  const list = (numbers) =>
    `[${[...new Set(numbers)].map((number) => `"${moduleName(number)}"`).join(", ")}]`;
  const modules = syntheticRelations(moduleCount, seed).map(
    ({ requires, after, needs }, module) =>
      `[[modules]]\nname = "${moduleName(module)}"\nrequires = ${list(requires)}\nafter = ${list(after)}\nneeds = ${list(needs)}\n`,
  );
  const tasks = Array.from({ length: wildcards }, (_, i) =>
    ["before", "after"].map(
      (key) => `[[tasks]]\nname = "${key}-all-${i}"\ncommand = "true"\n${key} = ["*"]\n`,
    ),
  ).flat();
  return [...modules, ...tasks].join("\n");
}

/** A chain: each module requires, needs and is after the one before it. */
export function chainToml(moduleCount) {
  return Array.from({ length: moduleCount }, (_, module) => {
    const relation = module === 0 ? "[]" : `["${moduleName(module - 1)}"]`;
    return `[[modules]]\nname = "${moduleName(module)}"\nrequires = ${relation}\nneeds = ${relation}\nafter = ${relation}\n`;
  }).join("\n");
}
