import { describe, expect, test } from "vitest";
import { breaches, fromMarkdown, fromStrings, passives, sentencesOfTree } from "../../scripts/english.mjs";

const rulesOf = (page: string) => breaches(fromMarkdown(page)).map(({ rule }) => rule);
const LONG = Array.from({ length: 26 }, () => "word").join(" ");

describe("sentences of messages, docs and public comments", () => {
  test("break no rule that a program can check", () => {
    expect(breaches(sentencesOfTree())).toEqual([]);
  });

  test("have an active verb, but for one in twenty, which tells a state", () => {
    const sentences = sentencesOfTree();
    expect(passives(sentences).length / sentences.length).toBeLessThan(1 / 20);
  });

  test.each([
    ["over 25 words", `It says: ${LONG}.`],
    ["begins with Of", "Of two links it takes the first."],
    ["person for software", "The broker tells whoever asks."],
    ["person for software", "The rank waits while somebody else works."],
    ["'is none'", "A value that is none is refused."],
  ])("break the rule '%s' when they do", (rule, text) => {
    expect(rulesOf(text)).toEqual([rule]);
  });

  test("have a passive verb where the thing acted on comes first", () => {
    const page = "The module is never loaded. The broker loads the module. It is ready.";
    expect(passives(fromMarkdown(page)).map(({ text }) => text)).toEqual(["The module is never loaded."]);
  });

  test("about people may say who", () => {
    expect(rulesOf("A user who owns the file may change it.")).toEqual([]);
  });

  test("end at full stops, items of lists and cells of tables", () => {
    const page = `# ${LONG}\n\nA line of\ntext. Another \`a. b\` line.\n\n- one item here\n- another item here\n\n| a first cell | a second cell |\n`;
    expect(fromMarkdown(page).map(({ line, text }) => `${line} ${text}`)).toEqual([
      "3 A line of text.",
      "4 Another `a. b` line.",
      "6 one item here",
      "7 another item here",
      "9 a first cell",
      "9 a second cell",
    ]);
  });

  test("are not in code blocks, and a code span counts as one word", () => {
    expect(rulesOf(`\`\`\`\n${LONG}\n\`\`\`\n\nThis names \`${LONG}\` once.`)).toEqual([]);
  });

  test("of string literals are found across joins, with a word for each value", () => {
    const code = 'fail(`the module ${name} has ` +\n  "failed while it started"); // "no text at all here"\n';
    expect(fromStrings(code).map(({ text }) => text)).toEqual(["the module `x` has failed while it started"]);
  });
});
