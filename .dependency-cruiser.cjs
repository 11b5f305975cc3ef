/**
 * The import rules of the house: one row a folder, what it may import besides itself.
 * Type imports count. `cli` and `index.ts` wire everything and have no row.
 */
const MAY_IMPORT = {
  errors: [],
  units: ["errors"],
  graph: ["errors", "units"],
  // What draws plans; planning itself stays free of it.
  pictures: ["errors", "graph"],
  messages: ["errors"],
  // Where our Python packages are, and nothing else: both who loads modules and who hosts rc files start interpreters.
  python: [],
  // Makes JavaScript of TypeScript: modules and rc files are written in it.
  typescript: ["errors"],
  run: ["errors", "graph", "units"],
  analysis: ["errors", "graph", "run"],
  executors: ["errors", "messages", "python", "run/port", "typescript"],
  broker: ["errors", "messages", "executors", "units"],
  rc: ["errors", "units", "messages", "python", "run/port", "typescript"],
  modules: ["errors", "messages"],
};

const houseRules = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `house-${folder}`,
  comment: `src/${folder} may import only: ${allowed.join(", ") || "nothing"}`,
  severity: "error",
  from: { path: `^src/${folder}/` },
  to: {
    path: "^src/",
    pathNot: [
      `^src/${folder}/`,
      ...allowed.map((name) => `^src/${name}${name.includes("/") ? "[.]ts$" : "/"}`),
    ],
  },
}));

module.exports = {
  forbidden: [
    ...houseRules,
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-dev-dependency-in-src",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "drawing-is-loaded-on-demand",
      comment: "Graphviz and the drawing of PNG are loaded in the thread that draws, not by who starts it",
      severity: "error",
      from: { path: "^src/(index|cli/main|pictures/index)[.]ts$" },
      to: { path: "node_modules/(@viz-js|@resvg)/", reachable: true },
    },
    {
      name: "planning-is-pure",
      comment: "src/graph does no I/O and reads no clock",
      severity: "error",
      from: { path: "^src/graph/" },
      to: { dependencyTypes: ["core"] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "node", "default"],
    },
  },
};
