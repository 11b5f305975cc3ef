/** Asks the database by its own client, so that this example needs no package. */
import { spawn } from "node:child_process";

const PG = new URL("../bin/pg", import.meta.url).pathname;

/**
 * Runs a statement.
 * @param values of its variables: `:'name'`
 * @returns its rows, each a line
 */
export function query(statement, values = {}) {
  const settings = Object.entries(values).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
  const psql = spawn(PG, ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", ...settings], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  psql.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  psql.stdin.on("error", () => undefined).end(statement);
  return new Promise((resolve, reject) => {
    psql.once("error", reject);
    psql.once("close", (status, signal) => {
      if (status === 0) resolve(output.split("\n").filter((line) => line !== ""));
      else reject(new Error(`psql ended with ${signal ?? status}`));
    });
  });
}
