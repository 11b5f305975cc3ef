import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
// Hosts of modules run from files, so this is what was built.
import { Broker, composeUnits, type InstanceOptions } from "../../../dist/index.js";

const PART = join(import.meta.dirname, "../fixtures/part.mjs");

/** A directory with units and modules, gone when the test ends. */
export class Stack {
  readonly dir = mkdtempSync(join(tmpdir(), "sluice-stack-"));
  /** Where it may leave nothing behind. */
  readonly runtimeDir = join(this.dir, "run");

  constructor(toml: string) {
    mkdirSync(this.runtimeDir, { mode: 0o700 });
    this.write("modprobe/modprobe.d/units.toml", toml);
    for (const name of ["a", "b", "c"]) copyFileSync(PART, join(this.dir, `${name}.mjs`));
    onTestFinished(() => rmSync(this.dir, { recursive: true, force: true }));
  }

  write(path: string, text: string): string {
    const file = join(this.dir, path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  get env(): Record<string, string | undefined> {
    return {
      PATH: process.env["PATH"],
      XDG_RUNTIME_DIR: this.runtimeDir,
      FLUX_MODULE_PATH: this.dir,
      SLUICE_CONFDIR: join(this.dir, "none"),
      SLUICE_LIBEXECDIR: join(this.dir, "none"),
    };
  }

  /** What starts it; further options on top. */
  async options(more: InstanceOptions = {}): Promise<InstanceOptions> {
    const searchPath = [join(this.dir, "modprobe")];
    const units = await composeUnits({ searchPath, env: this.env });
    return { units, searchPath, env: this.env, ...more };
  }

  async start(more: InstanceOptions = {}): Promise<Broker> {
    const broker = await Broker.start(await this.options(more));
    onTestFinished(async () => {
      await broker.close();
    });
    return broker;
  }
}
