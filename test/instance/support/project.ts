import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";

const CHECKOUT = resolve(import.meta.dirname, "../../..");

/** A project of a user, whose package `sluice` is this checkout; gone when the test ends. */
export class Project {
  readonly dir = mkdtempSync(join(tmpdir(), "sluice-project-"));

  constructor() {
    mkdirSync(join(this.dir, "node_modules"));
    mkdirSync(join(this.dir, "run"), { mode: 0o700 });
    symlinkSync(CHECKOUT, join(this.dir, "node_modules/sluice"));
    this.write("package.json", JSON.stringify({ name: "host", private: true, type: "module" }));
    onTestFinished(() => rmSync(this.dir, { recursive: true, force: true }));
  }

  /** With the package as npm packs it, and what that depends on. */
  static async packed(): Promise<Project> {
    const project = new Project();
    const modules = join(project.dir, "node_modules");
    const run = promisify(execFile);
    const argv = ["pack", "--ignore-scripts", "--silent", "--pack-destination", project.dir];
    const { stdout } = await run("npm", argv, { cwd: CHECKOUT });
    rmSync(join(modules, "sluice"));
    mkdirSync(join(modules, "sluice"));
    await run("tar", [
      "xzf",
      join(project.dir, stdout.trim()),
      "-C",
      join(modules, "sluice"),
      "--strip-components=1",
    ]);
    const manifest = JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    for (const name of Object.keys(manifest.dependencies)) project.link(name);
    return project;
  }

  write(path: string, text: string): string {
    const file = join(this.dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Installs a package that this checkout has. */
  link(name: string): void {
    const place = join(this.dir, "node_modules", name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(CHECKOUT, "node_modules", name), place);
  }

  /** Runs Node in the project; a process that does not end is killed, and fails. */
  node(...argv: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    return promisify(execFile)(process.execPath, argv, {
      cwd: this.dir,
      env: { PATH: process.env["PATH"], XDG_RUNTIME_DIR: join(this.dir, "run") },
      timeout: 120_000,
    });
  }
}
