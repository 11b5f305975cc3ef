/**
 * Builds dist/: plain `tsc` for the library and its types, then esbuild for the two files whose start-up time counts,
 * the command line (split, so that a command loads only what it uses) and the worker entry of thread modules.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
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
  format: "esm",
  logLevel: "warning",
  // Commander and friends are CommonJS; bundled into ESM they still ask for require.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};

for (const file of readdirSync("dist/cli")) if (file.endsWith(".js")) rmSync(`dist/cli/${file}`);
await build({
  ...common,
  entryPoints: ["src/cli/main.ts"],
  outdir: "dist/cli",
  splitting: true,
  chunkNames: "[name]-[hash]",
  // Native, or loaded only when something is printed, or shared with user code through the real file.
  external: ["libsql", "jiti", "toml-eslint-parser", "@dagrejs/graphlib", "esbuild"],
});
await build({
  ...common,
  entryPoints: ["src/executors/thread-main.ts"],
  // Node starts a CommonJS worker some 5 ms sooner than an ES module; every module has a worker.
  format: "cjs",
  banner: {},
  minify: true,
  outfile: "dist/executors/thread-main.cjs",
});

chmodSync("dist/cli/main.js", 0o755);
// `npx sluice` in the checkout itself finds the command without asking npm.
mkdirSync("node_modules/.bin", { recursive: true });
rmSync("node_modules/.bin/sluice", { force: true });
symlinkSync("../../dist/cli/main.js", "node_modules/.bin/sluice");
