#!/bin/sh
# bash 5.2.15 and Node 20.20: `bash -c` that Node starts with stdin "pipe" reads ~/.bashrc, if SHLVL is unset or 0.
#
# Node's "pipe" is one end of a socket pair. bash takes a socket on its standard input for a remote shell daemon, and a shell at
# level 1 then reads ~/.bashrc although it is not interactive. What that file prints is in the output, and its time counts.
# Input: `bash -c 'echo command'` with a ~/.bashrc that prints a word; stdin "pipe" and "ignore"; SHLVL unset, 0 and 1.
# Expected: "command" each time. Seen: the word of ~/.bashrc comes first with "pipe" while SHLVL is unset or 0. A program that
# a supervisor, cron or a container starts has no SHLVL.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo 'echo startup-file' >.bashrc
cat >run.mjs <<'EOF'
import { spawn } from "node:child_process";
for (const SHLVL of [undefined, "0", "1"])
  for (const stdin of ["pipe", "ignore"]) {
    const env = { PATH: process.env.PATH, HOME: process.cwd(), ...(SHLVL === undefined ? {} : { SHLVL }) };
    const child = spawn("bash", ["-c", "echo command"], { env, stdio: [stdin, "pipe", "inherit"] });
    child.stdin?.end();
    const words = (await child.stdout.setEncoding("utf8").toArray()).join("").trim().split("\n").join(" ");
    console.log(`SHLVL ${SHLVL ?? "unset"}, stdin ${stdin}: ${words}`);
  }
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "SHLVL unset, stdin pipe: startup-file command
SHLVL unset, stdin ignore: command
SHLVL 0, stdin pipe: startup-file command
SHLVL 0, stdin ignore: command
SHLVL 1, stdin pipe: command
SHLVL 1, stdin ignore: command"
