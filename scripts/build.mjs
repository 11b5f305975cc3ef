/**
 * Builds dist/: plain `tsc` for the library and its types, then esbuild for the files whose start-up time counts,
 * the command line and the hosts of modules in threads and processes. All are CommonJS, which Node starts sooner.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { build } from "esbuild";

process.chdir(new URL("..", import.meta.url).pathname);

// What has no source any more must not be found.
rmSync("dist", { recursive: true, force: true });
const tsc = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  logLevel: "warning",
  // Paths to other files of ours are relative to where a module is; all of them are one folder below dist.
  define: { "import.meta.url": "__moduleUrl" },
  banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
};

/** What starts with code that V8 has made at build time (ADR 5): entry point → program. */
const LAUNCHED = {
  "cli/main": "cli/main",
  "rc/ts-host-main": "rc/ts-host",
  "loaders/thread-main": "loaders/thread-main",
  "loaders/process-main": "loaders/process-main",
};

/** Code that is given compiled has to ask its launcher to import. */
const importByLauncher = {
  name: "import-by-launcher",
  setup: ({ onLoad }) =>
    onLoad({ filter: /src.loaders.import-url[.]ts$/ }, () => ({
      contents: "const byLauncher = importUrl; export { byLauncher as importUrl };",
    })),
};

for (const file of readdirSync("dist/cli")) if (file.endsWith(".js")) rmSync(`dist/cli/${file}`);
for (const [entry, program] of Object.entries(LAUNCHED)) {
  await build({
    ...common,
    entryPoints: [`src/${entry}.ts`],
    outfile: `dist/${program}.bundle.cjs`,
    // The launcher reads it as such.
    charset: "ascii",
    // Names stay, for stacks.
    minifyWhitespace: true,
    minifySyntax: true,
    // Native, or loaded only when something is printed, or shared with user code through the real file.
    external: [
      "libsql",
      "jiti",
      "toml-eslint-parser",
      "@dagrejs/graphlib",
      "pino",
      "@nats-io/transport-node",
    ],
    plugins: [importByLauncher],
  });
  copyFileSync("scripts/launch.cjs", `dist/${program}.cjs`);
}
// The shell notes what Node changes before any code of ours runs, and starts it so that no debugger listens.
const launcher = readFileSync("dist/cli/main.cjs", "utf8").replace(/^#!.*\n/, "");
writeFileSync(
  "dist/cli/main.cjs",
  `#!/bin/sh
':' //; export SLUICE_OPEN_FILES="$(ulimit -Sn)"; exec node --inspect-port=192.0.2.1:65535 "$0" "$@"
${launcher}`,
);
chmodSync("dist/cli/main.cjs", 0o755);

// What Node cannot do (ADR 16). Packages for other machines are given theirs by the release.
mkdirSync("dist/bin", { recursive: true });
const helper = `dist/bin/sluice-init-${process.platform}-${process.arch}`;
const compiled = [["-static"], []].some(
  (flags) =>
    spawnSync(
      "cc",
      ["-Wall", "-Os", "-s", ...flags, "-o", helper, "native/sluice-init.c", "native/supervise.c"],
      {
        stdio: "ignore",
      },
    ).status === 0,
);
if (!compiled) console.warn("no C compiler: as process 1, sluice will not reap what others leave behind");

// A module of ours is one file in CommonJS: its thread has no time for a dozen, or for the loader of ES modules.
const modules = readdirSync("src/modules").filter((file) => file.endsWith(".ts"));
rmSync("dist/modules", { recursive: true });
await build({
  ...common,
  entryPoints: modules.map((file) => `src/modules/${file}`),
  outdir: "dist/modules",
  outExtension: { ".js": ".cjs" },
  external: ["libsql"],
});

const { Transpiler } = await import("../dist/typescript/index.js");
for (const phase of ["rc1", "rc3"]) await new Transpiler().ship(`${process.cwd()}/etc/modprobe/${phase}.ts`);

// Every program that there is has a part in this.
const heartbeat = `${process.cwd()}/dist/modules/heartbeat.cjs`;
const sluice = `"${process.execPath}" dist/cli/main.cjs`;
const tour = `${sluice} module load --loader=process -n tour "${heartbeat}" && ${sluice} module remove tour`;
for (const role of ["main modprobe", "main broker", "main start", "ts-host", "thread-main", "process-main"]) {
  run(role, ["start", tour]);
}
run("", ["man-pages", "dist/man/man1"]);
// `npx sluice` in the checkout itself finds the command without asking npm.
mkdirSync("node_modules/.bin", { recursive: true });
rmSync("node_modules/.bin/sluice", { force: true });
symlinkSync("../../dist/cli/main.cjs", "node_modules/.bin/sluice");

/** @param role whose compiled code is to be kept */
function run(role, args) {
  const { status } = spawnSync(process.execPath, ["dist/cli/main.cjs", ...args], {
    env: { PATH: process.env.PATH, SLUICE_WRITE_CODE: role, SLUICE_CONFDIR: "/nonexistent" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) process.exit(status ?? 1);
}
