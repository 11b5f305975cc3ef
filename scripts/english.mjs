/**
 * Reads the sentences of messages, docs and public comments. It lists those that break a rule of plain
 * English that a program can check (CONTRIBUTING.md): `node scripts/english.mjs`. With `--sample=40 --seed=1`
 * it prints sentences drawn at random, for what only a reader can judge. `--passive` lists those whose verb
 * is passive, which may be right where the agent does not matter.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(import.meta.dirname, "..");
const MOST_WORDS = 25;

/** Where "who" means people, or is the name of a field. Each is matched inside the sentence. */
const ABOUT_PEOPLE = [/\b(user|people|operator|author|reader)s? who\b/, /'who' must be/];

const RULES = [
  ["over 25 words", (text) => wordsOf(text).length > MOST_WORDS],
  ["begins with Of", (text) => /^\W*Of\b/.test(text)],
  [
    "person for software",
    (text) =>
      /\b(who|whom|whoever|nobody|somebody|someone|anybody)\b/i.test(text) &&
      !ABOUT_PEOPLE.some((phrase) => phrase.test(text)),
  ],
  ["'is none'", (text) => /(?<!\bthere )\b(is|are|was|were) none\b/i.test(text)],
];

/** `{file, line, text}` for each sentence of the tree. */
export function sentencesOfTree() {
  const names = publicNames();
  const fromScript = (source) => [...fromStrings(source), ...fromBlocks(publicComments(source, names))];
  const pages = [...files("docs", /\.md$/), ...files("examples", /README\.md$/)];
  return [
    ...inFiles(
      ["README.md", "CHANGELOG.md", ...pages.filter((page) => !page.startsWith("docs/design/"))],
      fromMarkdown,
    ),
    ...inFiles(files("src", /(?<!validators)\.ts$/), fromScript),
    ...inFiles([...files("python/sluice", /\.py$/), ...files("python/flux", /\.py$/)], (source) =>
      fromStrings(source, PYTHON),
    ),
  ];
}

/** `{file, line, rule, text}` for each sentence that breaks a rule. */
export function breaches(sentences) {
  return sentences.flatMap((sentence) =>
    RULES.filter(([, isBroken]) => isBroken(withoutCode(sentence.text))).map(([rule]) => ({
      ...sentence,
      rule,
    })),
  );
}

const PARTICIPLE =
  "[a-z]+ed|given|known|seen|taken|written|read|sent|told|made|kept|found|held|left|set|put|done|shown|run|built|lost|begun|" +
  "broken|chosen|drawn|meant|said|bound|cut|caught|brought|thrown|understood|driven|hidden|spent|split|thought";
const PASSIVE = new RegExp(
  `\\b(is|are|was|were|be|been|being)\\s+((not|never|always|only|then|also|still|already|no longer)\\s+)?(${PARTICIPLE})\\b`,
  "i",
);

/** Those whose verb is passive. */
export function passives(sentences) {
  return sentences.filter(({ text }) => PASSIVE.test(withoutCode(text)));
}

/** The sentences of a page: headings, code blocks and quotes of code are left out. */
export function fromMarkdown(source) {
  const blocks = [];
  let isCode = false;
  let open;
  for (const [index, raw] of source.split("\n").entries()) {
    const line = raw.replace(/^\s*> ?/, "");
    if (/^\s*```/.test(line)) isCode = !isCode;
    const ends = isCode || /^\s*(```|#|<|$|\|)/.test(line);
    if (ends || /^\s*([-*]|\d+\.) /.test(line)) open = undefined;
    if (!ends) {
      open ??= blocks[blocks.push({ line: index + 1, text: "" }) - 1];
      open.text += `${line.replace(/^\s*([-*]|\d+\.) /, "")}\n`;
    }
    if (!isCode && /^\s*\|/.test(line) && !/^[\s|:-]+$/.test(line)) blocks.push(...cellsOf(line, index + 1));
  }
  return fromBlocks(blocks);
}

function cellsOf(row, line) {
  return row.split(/(?<!\\)\||\s·\s/).map((text) => ({ line, text }));
}

/** The sentences of the doc comments of what the package exports, members too. */
function publicComments(source, names) {
  const blocks = [];
  let isPublic = false;
  for (const { index, 0: text, groups } of source.matchAll(DECLARED)) {
    if (groups.end !== undefined) isPublic = false;
    if (groups.name !== undefined) isPublic = names.has(groups.name);
    const comment = groups.own ?? (isPublic ? groups.member : undefined);
    if (comment === undefined || (groups.own !== undefined && !isPublic)) continue;
    blocks.push(...paragraphsOf(comment, lineAt(source, index + text.indexOf(comment))));
  }
  return blocks;
}

const DECLARED =
  /(?:^(?<own>\/\*\*(?:(?!\*\/)[^])*\*\/)\n)?^export (?:declare |abstract |async )*(?:class|function\*?|const|interface|type|enum) (?<name>\w+)|^[ \t]+(?<member>\/\*\*(?:(?!\*\/)[^])*\*\/)|^(?<end>[}\])])/gm;

function paragraphsOf(comment, first) {
  const blocks = [];
  let open;
  for (const [index, raw] of comment.split("\n").entries()) {
    const line = raw.replace(/^\s*(\/\*\*|\*\/|\*)/, "").replace(/\*\/\s*$/, "");
    if (line.trim() === "" || /^\s*(@|-)/.test(line)) open = undefined;
    open ??= blocks[blocks.push({ line: first + index, text: "" }) - 1];
    open.text += `${line.replace(/^\s*(@(throws|returns)|@param \w+( -)?|-)/, "")}\n`;
  }
  return blocks;
}

/** The names that the package's entries export. */
function publicNames() {
  const entries = ["src/index.ts", "src/rc/authoring.ts"];
  const lists = entries.flatMap((file) => [...read(file).matchAll(/export (?:type )?\{([^}]*)\}/g)]);
  return new Set(
    lists.flatMap(([, list]) => list.split(",").map((name) => name.trim().replace(/^type |.* as /g, ""))),
  );
}

const SCRIPT = {
  token:
    /(?<skip>\/\/[^\n]*|\/\*[^]*?\*\/|(?<=[(,=:[!&|?{;>]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/)|(?<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|\$\{(?:[^{}`]|\{[^{}]*\}|`(?:[^`$]|\$\{[^{}]*\})*`)*\}|[^`\\])*`)/g,
  joins: /^\s*\+\s*$/,
  hole: /\$\{(?:[^{}`]|\{[^{}]*\}|`(?:[^`$]|\$\{[^{}]*\})*`)*\}/g,
};
const PYTHON = {
  token: /(?<skip>#[^\n]*)|(?<text>"""[^]*?"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')/g,
  joins: /^\s*[fr]?$/,
  hole: /\{[^{}]*\}/g,
};

/** The sentences of string literals: those of at least three words, most of them plain. `;` ends one in a message. */
export function fromStrings(source, { token, joins, hole } = SCRIPT) {
  const blocks = [];
  let end = -1;
  for (const { index, 0: whole, groups } of source.matchAll(token)) {
    if (groups.text === undefined) continue;
    const text = groups.text.replace(/^("""|["'`])|("""|["'`])$/g, "").replace(hole, "`x`");
    const lines = text.replace(/\\n/g, "\n\n").replace(/\\(.)/g, "$1");
    if (end >= 0 && joins.test(source.slice(end, index))) blocks.at(-1).text += lines;
    else
      blocks.push({
        line: lineAt(source, index),
        text: lines,
        ends: groups.text.startsWith('"""') ? ENDS_OF_DOC : ENDS_OF_MESSAGE,
      });
    end = index + whole.length;
  }
  return fromBlocks(blocks.flatMap(byParagraph)).filter(({ text }) => isProse(text));
}

const ENDS_OF_DOC = /(\n\s*\n|\n\s*- |\n\s*:(?:param \w+|returns|raises \w+):)/;
const ENDS_OF_MESSAGE = /(;\s|\n\s*\n|\n\s*- )/;

function byParagraph({ line, text, ends }) {
  let at = line;
  return text.split(ends).map((part) => {
    const block = { line: at, text: part };
    at += part.split("\n").length - 1;
    return block;
  });
}

function isProse(text) {
  const words = text.split(/\s+/);
  return (
    words.length >= 3 &&
    !/\$[a-z(]/.test(text) &&
    words.filter((word) => /^["'(]?[A-Za-z][a-z'-]*[.,:;)"']*$/.test(word)).length * 5 > words.length * 3
  );
}

/** Blocks of text → sentences, each with the line that it begins on. */
function fromBlocks(blocks) {
  return blocks.flatMap(({ line, text }) => {
    const found = [];
    for (const { index, 0: sentence } of unmarked(text).matchAll(
      /\S(?:[^.!?]|[.!?](?![\s)"'*]*(?:\s|$)))*[.!?]*[)"'*]*/g,
    )) {
      found.push({
        line: line + lineAt(text, index) - 1,
        text: text
          .slice(index, index + sentence.length)
          .replace(/\s+/g, " ")
          .trim(),
      });
    }
    return found.filter(({ text: kept }) => wordsOf(withoutCode(kept)).length > 2);
  });
}

/** Code, pictures and addresses stand for one word each and keep their length, so that places in the text hold. */
function unmarked(text) {
  const mask = (found) => `\`${found.slice(1, -1).replace(/[.!?\s]/g, "_")}\``;
  return text
    .replace(/`[^`]+`/g, mask)
    .replace(/\]\([^)]*\)/g, (found) => `]${" ".repeat(found.length - 1)}`)
    .replace(/\b(e\.g|i\.e|etc)\./g, (found) => found.replaceAll(".", "_"));
}

function withoutCode(text) {
  return text.replace(/`[^`]+`/g, "`x`").replace(/\]\([^)]*\)/g, "]");
}

function wordsOf(text) {
  return text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
}

function lineAt(source, index) {
  return source.slice(0, index).split("\n").length;
}

function inFiles(paths, extract) {
  return paths.flatMap((file) => extract(read(file)).map((sentence) => ({ file, ...sentence })));
}

function files(folder, name) {
  const entries = readdirSync(resolve(ROOT, folder), { withFileTypes: true, recursive: true });
  const found = entries.filter((entry) => entry.isFile() && name.test(entry.name));
  return found.map((entry) => relative(ROOT, join(entry.parentPath, entry.name))).sort();
}

function read(file) {
  return readFileSync(resolve(ROOT, file), "utf8");
}

/** `count` of the list, drawn without returning (mulberry32): the same for the same seed. */
function draw(list, count, seed) {
  const rest = [...list];
  let state = seed >>> 0;
  return Array.from({ length: Math.min(count, rest.length) }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return rest.splice(Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * rest.length), 1)[0];
  });
}

function main(args) {
  const option = (name) => args.map((arg) => arg.split("=")).find(([key]) => key === `--${name}`)?.[1];
  const sentences = sentencesOfTree();
  const sample = option("sample");
  if (sample !== undefined) {
    for (const { file, line, text } of draw(sentences, Number(sample), Number(option("seed") ?? 1)))
      console.log(`${file}:${line}: ${text}`);
    return;
  }
  if (args.includes("--passive")) {
    const found = passives(sentences);
    for (const { file, line, text } of found) console.log(`${file}:${line}: ${text}`);
    console.log(`${found.length} of ${sentences.length} sentences are passive`);
    return;
  }
  const found = breaches(sentences);
  for (const { file, line, rule, text } of found) console.log(`${file}:${line}: ${rule}: ${text}`);
  console.log(`${found.length} of ${sentences.length} sentences break a rule`);
  process.exitCode = found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
