/** Lines of dotenv files that other programs read otherwise; what they read was tried (docs/design/programs.md §1). */
import { expect, test } from "vitest";
import { dotenvDoubts } from "../../../src/loaders/index.js";

test.each([
  ["A=plain", []],
  ["A=a#b", []],
  ["A=$X ${Y}", []],
  ["# A=1 # 2", []],
  ["A=a # b", ["1:5 foreman, systemd and docker read the # and the text after it as a part of the value"]],
  ["A= # b", ["1:4 foreman, systemd and docker read the # and the text after it as a part of the value"]],
  ["  export A=1", ["1:3 foreman, systemd and docker read no variable of a line with export"]],
  ["A='x y' # said", ["1:3 docker reads the quotes as a part of the value"]],
  [
    String.raw`A="a\nb"`,
    [
      "1:3 docker reads the quotes as a part of the value",
      String.raw`1:5 systemd reads \n as other characters`,
    ],
  ],
  [
    String.raw`A="\t"`,
    [
      "1:3 docker reads the quotes as a part of the value",
      String.raw`1:4 foreman and systemd read \t as other characters`,
    ],
  ],
  [String.raw`A=a\nb`, ["1:4 systemd reads the backslash as an escape"]],
])("trap-C5: %j means the same to all, or it is told to which it does not", (line, expected) => {
  const told = dotenvDoubts(`${line}\r\nB=1\n`).map(({ line: at, column, why }) => `${at}:${column} ${why}`);
  expect(told).toEqual(expected);
});
