import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Finished, Sandbox } from "../../helpers/sluice.js";

const FLUX_UNITS = fileURLToPath(new URL("../../fixtures/flux-units/modprobe.toml", import.meta.url));

/** A small rc file, how it is run, and what comes of it. */
export interface RcCase {
  readonly title: string;
  /** Python, after the imports. */
  readonly source: string;
  /** Options of `sluice modprobe run`. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Other files, by their path below the sandbox. */
  readonly files?: Readonly<Record<string, string>>;
  readonly status?: number;
  readonly stdout: string;
  /** Lines of standard error; `FILE` stands for the rc file. Default: none. */
  readonly stderr?: readonly string[];
}

const HEAD = "from flux.modprobe import task\n";

/** A sandbox whose shipped units are those of a real system (test/fixtures/flux-units). */
export class RcBox extends Sandbox {
  constructor() {
    super();
    mkdirSync(join(this.dir, "data/modprobe"), { recursive: true });
    cpSync(FLUX_UNITS, join(this.dir, "data/modprobe/modprobe.toml"));
  }

  put(path: string, text: string): string {
    const file = join(this.dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o755 });
    return file;
  }

  /** Runs a case; what it prints names no directory of the sandbox. */
  async runCase({ source, options = [], env = {}, files = {} }: RcCase): Promise<Finished> {
    for (const [path, text] of Object.entries(files)) this.put(path, text);
    const file = this.put("site.py", HEAD + source);
    const finished = await this.run(["modprobe", "run", "--jobs", "1", ...options, file], {
      env: { SLUICE_DATADIR: join(this.dir, "data"), HERE: this.dir, ...env },
    });
    const plain = (text: string): string => text.replaceAll(file, "FILE").replaceAll(this.dir, "HERE");
    return { ...finished, stdout: plain(finished.stdout), stderr: plain(finished.stderr) };
  }
}
