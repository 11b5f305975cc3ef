#!/bin/sh
# smol-toml 1.9.1 and toml-eslint-parser 1.0.3 give one multi-line string of a file with CRLF two values.
#
# Input: a file with CRLF line ends that holds  run = """<CRLF>one<CRLF>two"""
# Expected: one value. TOML 1.0 leaves it to the parser whether a line end in such a string becomes that of the platform.
# Seen: smol-toml keeps "one\r\ntwo"; toml-eslint-parser gives "one\ntwo".
#
# A program that takes values from one parser and places from another must not compare them. A shell script in such a string
# has "\r" at the end of each line with the first, and fails on Linux.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund smol-toml@1.9.1 toml-eslint-parser@1.0.3
cat >run.mjs <<'EOF'
import { parse } from "smol-toml";
import { getStaticTOMLValue, parseTOML } from "toml-eslint-parser";
const text = 'run = """\r\none\r\ntwo"""\r\n';
console.log(JSON.stringify([parse(text).run, getStaticTOMLValue(parseTOML(text)).run]));
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = '["one\r\ntwo","one\ntwo"]'
