import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

test("trap-D2: import has status 0 when all was carried over, and 3 when anything is only a comment", async () => {
  box.write("Procfile", "web: exec sleep 1000\n");
  const whole = await box.run(["import", "Procfile"]);
  expect(whole).toMatchObject({ status: 0, stderr: "" });
  box.write("modprobe.d/stack.toml", whole.stdout);
  const verified = await box.run(["modprobe", "verify", "modprobe.d/stack.toml"]);
  expect(verified.stderr).toMatch(/0 errors/);
  box.write("api.service", "[Unit]\nAfter=db.service\n[Service]\nExecStart=/bin/api\n");
  box.write("db.service", "[Service]\nExecStart=/bin/db\nNice=5\n");
  const part = await box.run(["import", "api.service", "db.service"]);
  expect(part.status).toBe(3);
  expect(part.stdout).toMatch(/^after = \["db"\] # api\.service:2$/m);
  expect(part.stdout).toMatch(/^# db\.service:3: not carried over: Nice=5: /m);
  expect(part.stderr).toBe("sluice-import: the comments list the keys that are not carried over\n");
});

test("import says what it cannot read, with its place, and prints nothing then", async () => {
  box.write("process-compose.yaml", "processes:\n  a: [\n");
  box.write("stack.ini", "");
  box.write("Procfile", "web: a\n");
  box.write("web.service", "[Service]\nExecStart=/bin/web\n");
  const refused = async (...files: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await box.run(["import", ...files]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    return stderr;
  };
  expect(await refused("process-compose.yaml")).toMatch(/^process-compose\.yaml:\d+:\d+: .*\[UNIT_SYNTAX\]/);
  expect(await refused("stack.ini")).toMatch(/^sluice-import: stack\.ini: not a Procfile, /);
  expect(await refused(join(box.dir, "Procfile.gone"))).toMatch(
    /Procfile\.gone: No such file or directory\n$/,
  );
  expect(await refused(".")).toBe("sluice-import: .: Is a directory\n");
  expect(await refused("Procfile", "web.service")).toBe(
    "sluice-import: web.service:1: web is defined in Procfile:1 already\n",
  );
});

test("verify names lines of environment files with which a load fails, without their text", async () => {
  const env = box.write("stack/.env", "A = s3cret\nB='s3cret\n");
  const file = box.write(
    "stack/stack.toml",
    '[[modules]]\nname = "a"\ncommand = ["true"]\nenvironment-file = [".env"]\n',
  );
  const { status, stderr } = await box.run(["modprobe", "verify", file]);
  expect(status).toBe(1);
  expect(stderr).toContain(
    `${env}:1:1: expected NAME=VALUE, without blanks around = [UNIT_ENVIRONMENT_FILE]`,
  );
  expect(stderr).toContain(`${env}:2:3: the quote does not end on its line [UNIT_ENVIRONMENT_FILE]`);
  expect(stderr).not.toContain("s3cret");
});

test("verify names lines of environment files that other programs read otherwise, and files that are missing", async () => {
  const env = box.write("stack/.env", "A=1\nB=a # b\n");
  const file = box.write(
    "stack/stack.toml",
    '[[modules]]\nname = "a"\ncommand = ["true"]\nenvironment-file = [".env", "-none", "gone"]\n',
  );
  const { status, stderr } = await box.run(["modprobe", "verify", file]);
  expect(status).toBe(0);
  expect(stderr).toContain(`${env}:2:5: warning: foreman, systemd and docker read the #`);
  expect(stderr).toMatch(
    /stack\.toml:4:\d+: warning: a: .*\/stack\/gone: No such file or directory \[LOAD_NOT_FOUND\]/,
  );
  expect(stderr).not.toContain("none:");
});
