/**
 * The import rules of the house (docs/architecture.md): one row a folder, what it may import besides itself. Type imports
 * count. `errors` and `processes` are open to everything. `cli` and `index.ts` wire everything and have no row.
 */
const MAY_IMPORT = {
  errors: [],
  processes: [],
  // Files that can be made again, in a directory of this user alone.
  caches: [],
  units: ["caches"],
  // Planning is pure: a process is nothing to it.
  graph: ["units"],
  pictures: ["graph", "run"],
  // What talks to NATS servers.
  nats: [],
  messages: ["nats"],
  // Makes JavaScript of TypeScript: modules and rc files are written in it.
  typescript: ["caches"],
  run: ["graph", "units"],
  analysis: ["graph", "run"],
  loaders: ["messages", "typescript", "caches"],
  libraries: ["loaders", "messages", "units"],
  broker: ["messages", "nats", "loaders", "libraries", "units", "waits"],
  rc: ["units", "messages", "run", "graph/types.ts", "typescript"],
  instance: ["units", "graph", "run", "messages", "broker", "rc", "typescript"],
  modules: ["messages", "nats"],
  // Which part of an instance waits for which: pure.
  waits: [],
  // What pages show of plans and runs, the commands say.
  web: ["messages"],
};

/** Folders inside a folder: what each may import of it besides itself. `*` stands for the files directly in it. */
const MAY_IMPORT_INSIDE = {
  broker: {
    log: ["clock.ts", "attributes.ts", "delay.ts"],
    routing: ["log", "clock.ts", "attributes.ts", "delay.ts"],
    modules: ["routing", "log", "*"],
    ranks: ["routing", "log", "*"],
    exec: ["routing", "log", "*"],
    life: ["ranks", "log", "*"],
    apply: ["modules", "*"],
    services: ["routing", "log", "modules", "apply", "ranks", "exec", "life", "*"],
  },
  graph: {
    apply: ["*"],
    cycles: ["*"],
    fleet: ["*"],
    why: ["*", "fleet"],
    verify: ["*"],
    picture: ["*"],
    portable: ["*"],
  },
  messages: {
    wire: ["*"],
    channels: ["wire", "*"],
    handle: ["wire", "*"],
  },
  units: {
    formats: ["*"],
    cache: ["*"],
    keys: ["*"],
    reading: ["formats", "cache", "generated", "keys", "*"],
    composing: ["keys", "*"],
    foreign: ["formats", "*"],
  },
  loaders: { command: ["*"], source: ["*"], native: ["*"], "shared-thread": ["*"] },
  processes: { programs: ["*"] },
  libraries: { plugins: ["*"] },
};

const pathOf = (folder, name) =>
  name === "*"
    ? `^src/${folder}/[^/]+[.]ts$`
    : name.endsWith(".ts")
      ? `^src/${folder}/${name.replace(".", "[.]")}$`
      : `^src/${folder}/${name}/`;

/** Packages that are inside the bundles (ADR 23), so that users do not install them. */
const INSIDE = [
  ...["commander", "croner", "fastest-levenshtein", "log-update", "p-limit", "picocolors"],
  ...["semver", "smol-toml", "string-width"],
];

const houseRules = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `house-${folder}`,
  comment: `src/${folder} may import only: errors, ${allowed.join(", ")}`,
  severity: "error",
  from: { path: `^src/${folder}/` },
  to: {
    path: "^src/",
    pathNot: [
      `^src/${folder}/`,
      "^src/errors/",
      ...(folder === "errors" || folder === "graph" ? [] : ["^src/processes/"]),
      ...allowed.map((name) => (name.includes("/") ? `^src/${name.replace(".", "[.]")}$` : `^src/${name}/`)),
    ],
  },
}));

const innerRules = Object.entries(MAY_IMPORT_INSIDE).flatMap(([folder, rows]) =>
  Object.entries(rows).map(([inner, allowed]) => ({
    name: `house-${folder}-${inner}`,
    comment: `src/${folder}/${inner} may import of src/${folder} only: ${allowed.join(", ")}`,
    severity: "error",
    from: { path: `^src/${folder}/${inner}/` },
    to: {
      path: `^src/${folder}/`,
      pathNot: [`^src/${folder}/${inner}/`, ...allowed.map((name) => pathOf(folder, name))],
    },
  })),
);

/** What of a folder nothing but its wiring may import: its parts, or a part of them. */
const CLOSED = [
  {
    name: "planner-uses-cycles-only",
    comment: "the planner (the files directly in src/graph) needs nothing of what explains and draws plans",
    from: { path: "^src/graph/[^/]+[.]ts$", pathNot: "^src/graph/index[.]ts$" },
    to: { path: "^src/graph/(why|verify|fleet|picture|apply)/" },
  },
  {
    name: "processes-has-one-door",
    comment: "the parts of src/processes are imported by its index.ts",
    from: { path: "^src/", pathNot: "^src/processes/" },
    to: { path: "^src/processes/", pathNot: "^src/processes/index[.]ts$" },
  },
  {
    name: "services-are-wired-by-the-broker",
    comment: "only broker.ts and index.ts may import src/broker/services",
    from: { path: "^src/", pathNot: "^src/broker/(services/|broker[.]ts$|index[.]ts$)" },
    to: { path: "^src/broker/services/" },
  },
].map((rule) => ({ severity: "error", ...rule }));

module.exports = {
  forbidden: [
    ...houseRules,
    ...innerRules,
    ...CLOSED,
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-dev-dependency-in-src",
      severity: "error",
      // What the page is made of is put into one file by the build.
      from: { path: "^src/", pathNot: "^src/web/client/" },
      to: {
        dependencyTypes: ["npm-dev"],
        dependencyTypesNot: ["type-only"],
        pathNot: `^node_modules/(${INSIDE.join("|")})/`,
      },
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
