/**
 * Draws the pictures of the documentation into docs/img, or into the directory given. It draws the shipped
 * units, and the units of a larger system in test/fixtures. Needs what `npm run build` makes.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { composeUnits, pictureOf, pictureTitle, plan, renderPicture } from "../dist/index.js";

const ROOT = resolve(import.meta.dirname, "..");
const OUT = process.argv[2] ?? join(ROOT, "docs/img");

/** What rc1 of the larger system loads by name. */
const LOADS = [
  ...["content", "heartbeat", "cron", "content-backing", "kvs", "kvs-watch", "sdbus", "sdbus-sys", "sdexec"],
  ...["sdmon", "resource", "job-manager", "job-list", "job-info", "job-ingest", "job-exec", "sched"],
  "feasibility",
];
const directory = mkdtempSync(join(tmpdir(), "sluice-images-"));
try {
  cpSync(join(ROOT, "test/fixtures/flux-units"), join(directory, "modprobe.d"), {
    recursive: true,
    filter: (path) => !path.endsWith("fluxion.toml"),
  });
  mkdirSync(OUT, { recursive: true });
  byCommand("plan.svg");
  const larger = planned(await unitsIn(directory), { rank: 0, size: 16 });
  await image("left-out.svg", larger, {});
  await image("neighbourhood.svg", larger, { around: "job-manager" });
} finally {
  rmSync(directory, { recursive: true });
}

/** What a reader gets who runs the command of README.md. */
function byCommand(file) {
  const sluice = join(ROOT, "dist/cli/main.cjs");
  const { status } = spawnSync(process.execPath, [sluice, "modprobe", "graph", "-o", join(OUT, file)], {
    env: { PATH: process.env.PATH, SLUICE_CONFDIR: "/nonexistent" },
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}

async function unitsIn(searched) {
  return valueOf(await composeUnits({ searchPath: [searched], dataDir: searched, env: {} }));
}

function planned(catalog, facts) {
  const tasks = catalog.units.filter(({ kind, runlevels }) => kind === "task" && runlevels.includes("rc1"));
  return valueOf(plan(catalog, { roots: [...tasks.map(({ name }) => name), ...LOADS], facts }));
}

function valueOf(result) {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
}

async function image(file, made, { around }) {
  const picture = pictureOf(made, around);
  const { rank, size } = made.facts;
  const title = `Rank ${rank} of ${size}: ${pictureTitle(picture)}`;
  const { text } = await renderPicture(picture, { format: "svg", title });
  writeFileSync(join(OUT, file), text);
}
