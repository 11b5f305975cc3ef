/**
 * Sees to it that the programs which the tests run are there. As root it installs what is missing from
 * Debian's packages; otherwise it names the missing programs.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Programs and modules of Python, and the packages that have them. */
const TOOLS = [
  { command: "cc", packages: ["gcc", "libc6-dev"], use: "compiles examples/wire-c, and the failing disk" },
  { command: "lua5.4", packages: ["lua5.4"], use: "runs examples/loader-lua" },
  { command: "python3", packages: ["python3"], use: "runs the Python suite, modules and rc files" },
  { pythonModule: "gi", packages: ["python3-gi"], use: "runs examples/loops/counter_glib.py" },
  { command: "setpriv", packages: ["util-linux"], use: "ends processes with their broker" },
  { command: "unshare", packages: ["util-linux", "mount"], use: "keeps a small disk out of sight of others" },
  { command: "ss", packages: ["iproute2"], use: "shows that no debugger listens" },
  { command: "pgrep", packages: ["procps"], use: "waits for processes in scripts" },
  { command: "chromium", packages: ["chromium", "fonts-dejavu-core"], use: "shows the page of sluice web" },
  { command: "promtool", packages: ["prometheus"], use: "checks metrics" },
  { command: "zsh", packages: ["zsh"], use: "is completed in" },
  { command: "fish", packages: ["fish"], use: "is completed in" },
  {
    command: "musl-gcc",
    packages: ["musl-tools"],
    use: "makes the helper of the package small, for any C library",
  },
  { command: "man", packages: ["man-db"], use: "finds the installed manual pages" },
  { command: "curl", packages: ["curl"], use: "reads the page of an installed package" },
  { command: "mandoc", packages: ["mandoc"], use: "checks manual pages" },
  { command: "nats-server", packages: ["nats-server"], use: "joins the ranks of an instance over hosts" },
  { command: "openssl", packages: ["openssl"], use: "makes certificates for NATS servers" },
  {
    directory: "/usr/lib/postgresql",
    command: "postgres",
    packages: ["postgresql"],
    use: "runs examples/stack",
  },
  { command: "redis-server", packages: ["redis-server"], use: "runs examples/stack" },
  { command: "systemd-analyze", packages: ["systemd"], use: "checks the units of systemd" },
  { command: "tmux", packages: ["tmux"], use: "is the terminal of live views" },
];

const missing = TOOLS.filter((tool) => !isInstalled(tool));
if (missing.length > 0 && process.getuid?.() === 0) install(missing.flatMap(({ packages }) => packages));
const lacking = missing.filter((tool) => !isInstalled(tool));
for (const { command, pythonModule, packages, use } of lacking) {
  console.error(
    `tests need '${command ?? pythonModule}', which ${use}: apt-get install ${packages.join(" ")}`,
  );
}
if (lacking.length > 0) process.exit(1);

/** @param directory where versions of a program are that is not on the path: `DIRECTORY/VERSION/bin` */
function isInstalled({ command, pythonModule, directory }) {
  if (command === undefined) return isImported(pythonModule);
  const versions = directory !== undefined && existsSync(directory) ? readdirSync(directory) : [];
  return (
    isOnPath(command) || versions.some((version) => isExecutable(join(directory, version, "bin", command)))
  );
}

/** Debian's packages are for its own interpreter, which need not be the first on the path. */
function isImported(pythonModule) {
  const run = (python) => spawnSync(python, ["-c", `import ${pythonModule}`], { stdio: "ignore" }).status;
  return run("python3") === 0 || run("/usr/bin/python3") === 0;
}

function isOnPath(command) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .some((directory) => isExecutable(join(directory, command)));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(error.code)) return false;
    throw error;
  }
}

function install(packages) {
  // In the runlevel of a single user no package starts a server of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const options = { stdio: ["ignore", 2, 2], env };
  const command = ["install", "--yes", "--no-install-recommends", ...packages];
  // Package lists may be missing or old; then they are fetched, and it is tried once more.
  if (spawnSync("apt-get", command, options).status === 0) return;
  if (spawnSync("apt-get", ["update"], options).status === 0) spawnSync("apt-get", command, options);
}
