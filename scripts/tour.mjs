/** A short tour against a running instance, for `npm start`: each command is printed, then run for real. */
import { spawnSync } from "node:child_process";

const sluice = new URL("../dist/cli/main.cjs", import.meta.url).pathname;

const STEPS = [
  ["What came up:", ["module", "list"]],
  ["Is the key-value store there?", ["ping", "-c", "3", "-i", "0.1", "kvs"]],
  ["Keep something:", ["kvs", "put", "tour.answer=42", 'tour.words=["it","works"]']],
  ["Read it back:", ["kvs", "get", "tour.answer", "tour.words"]],
  [
    "Who serves the content store, and who would if sqlite were disabled?",
    ["modprobe", "list-dependencies", "kvs"],
  ],
  ["", ["modprobe", "list-dependencies", "-D", "content-sqlite", "kvs"]],
  ["The log so far:", ["dmesg", "-H"]],
];

for (const [title, args] of STEPS) {
  if (title !== "") console.log(`\n${title}`);
  console.log(`$ sluice ${args.map((word) => (/[^\w.=/-]/.test(word) ? `'${word}'` : word)).join(" ")}`);
  const { status } = spawnSync(process.execPath, [sluice, ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
console.log("\nNow it all goes down again, in the reverse order.");
