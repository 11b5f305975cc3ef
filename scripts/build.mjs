/**
 * Builds dist/: plain `tsc` for the library and its types, then esbuild for the files whose start-up time counts,
 * the command line and the hosts of modules in threads and processes. All are CommonJS, which Node starts sooner.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { build } from "esbuild";

process.chdir(new URL("..", import.meta.url).pathname);

// What has no source any more must not be found.
rmSync("dist", { recursive: true, force: true });
const tsc = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

const common = { bundle: true, platform: "node", target: "node20", format: "cjs", logLevel: "warning" };

for (const file of readdirSync("dist/cli")) if (file.endsWith(".js")) rmSync(`dist/cli/${file}`);
await build({
  ...common,
  entryPoints: ["src/cli/main.ts"],
  outfile: "dist/cli/sluice.cjs",
  // Names stay, for stacks.
  minifyWhitespace: true,
  minifySyntax: true,
  // Paths to other files of ours are relative to where a module is; all of them are one folder below dist.
  define: { "import.meta.url": "__moduleUrl" },
  banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
  // Native, or loaded only when something is printed, or shared with user code through the real file.
  external: ["libsql", "jiti", "toml-eslint-parser", "@dagrejs/graphlib", "pino"],
});
for (const host of ["thread-main", "process-main"]) {
  await build({
    ...common,
    entryPoints: [`src/executors/${host}.ts`],
    outfile: `dist/executors/${host}.cjs`,
    minify: true,
  });
}

copyFileSync("scripts/launch.cjs", "dist/cli/main.cjs");
chmodSync("dist/cli/main.cjs", 0o755);
const warmUp = spawnSync(process.execPath, ["dist/cli/main.cjs", "modprobe", "rc1", "--show-deps"], {
  env: { PATH: process.env.PATH, SLUICE_WRITE_CODE: "1", SLUICE_CONFDIR: "/nonexistent" },
  stdio: ["ignore", "ignore", "inherit"],
});
if (warmUp.status !== 0) process.exit(warmUp.status ?? 1);

const manPages = spawnSync(process.execPath, ["dist/cli/main.cjs", "man-pages", "dist/man/man1"], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (manPages.status !== 0) process.exit(manPages.status ?? 1);

// `npx sluice` in the checkout itself finds the command without asking npm.
mkdirSync("node_modules/.bin", { recursive: true });
rmSync("node_modules/.bin/sluice", { force: true });
symlinkSync("../../dist/cli/main.cjs", "node_modules/.bin/sluice");
