/**
 * Sees to it that the programs which the tests run are there: installs what is missing from Debian's packages when it
 * runs as root, and says what is missing otherwise.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Programs, and the packages that have them. */
const TOOLS = [
  { command: "cc", packages: ["gcc", "libc6-dev"], use: "compiles examples/wire-c, and the failing disk" },
  { command: "lua5.4", packages: ["lua5.4"], use: "runs examples/loader-lua" },
  { command: "python3", packages: ["python3"], use: "runs the Python suite, modules and rc files" },
  { command: "setpriv", packages: ["util-linux"], use: "ends processes with their broker" },
  { command: "unshare", packages: ["util-linux", "mount"], use: "keeps a small disk out of sight of others" },
  { command: "ss", packages: ["iproute2"], use: "shows that no debugger listens" },
  { command: "pgrep", packages: ["procps"], use: "waits for processes in scripts" },
  { command: "zsh", packages: ["zsh"], use: "is completed in" },
  { command: "fish", packages: ["fish"], use: "is completed in" },
  { command: "mandoc", packages: ["mandoc"], use: "checks manual pages" },
  { command: "nats-server", packages: ["nats-server"], use: "joins the ranks of an instance over hosts" },
  { command: "openssl", packages: ["openssl"], use: "makes certificates for NATS servers" },
  { command: "tmux", packages: ["tmux"], use: "is the terminal of live views" },
];

const missing = TOOLS.filter(({ command }) => !isInstalled(command));
if (missing.length > 0 && process.getuid?.() === 0) install(missing.flatMap(({ packages }) => packages));
const lacking = missing.filter(({ command }) => !isInstalled(command));
for (const { command, packages, use } of lacking) {
  console.error(`tests need '${command}', which ${use}: apt-get install ${packages.join(" ")}`);
}
if (lacking.length > 0) process.exit(1);

function isInstalled(command) {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "EACCES"].includes(error.code)) return false;
      throw error;
    }
  });
}

function install(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { stdio: ["ignore", 2, 2], env };
  const command = ["install", "--yes", "--no-install-recommends", ...packages];
  // Package lists may be missing or old; then they are fetched, and it is tried once more.
  if (spawnSync("apt-get", command, options).status === 0) return;
  if (spawnSync("apt-get", ["update"], options).status === 0) spawnSync("apt-get", command, options);
}
