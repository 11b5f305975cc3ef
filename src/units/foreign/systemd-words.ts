/** The words of a value, or why only systemd can determine them. */
export type Words =
  { readonly ok: true; readonly words: readonly string[] } | { readonly ok: false; readonly why: string };

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
  s: " ",
};

const NUMBERED = /^(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3}))/;

/** Splits a value as systemd does: quotes anywhere in a word, and the escapes of C in and out of them. */
function splitWords(text: string): Words {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (character === "\\") {
      const escape = readEscape(text.slice(at + 1));
      if (escape === undefined) return { ok: false, why: `unknown escape ${text.slice(at, at + 2)}` };
      word = (word ?? "") + escape.text;
      at += escape.length;
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else word = (word ?? "") + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  if (quote !== "") return { ok: false, why: `${quote} is not closed` };
  if (word !== undefined) words.push(word);
  return { ok: true, words };
}

function readEscape(rest: string): { readonly text: string; readonly length: number } | undefined {
  const first = rest[0] ?? "";
  const plain = Object.hasOwn(ESCAPES, first) ? ESCAPES[first] : undefined;
  if (plain !== undefined) return { text: plain, length: 1 };
  const [all, hex, short, long, octal] = NUMBERED.exec(rest) ?? [];
  if (all === undefined) return undefined;
  const digits = hex ?? short ?? long;
  const code = digits === undefined ? Number.parseInt(octal ?? "", 8) : Number.parseInt(digits, 16);
  // The caller handles these code points, which no text can contain.
  return code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)
    ? undefined
    : { text: String.fromCodePoint(code), length: all.length };
}

/** A text with `%%` made `%`; undefined if it has a specifier, whose value only systemd can work out. */
export function withoutSpecifiers(text: string): string | undefined {
  return /%(?!%)/.test(text.replaceAll("%%", "")) ? undefined : text.replaceAll("%%", "%");
}

/**
 * The argv of a command line. A word `$NAME`, and `${NAME}` anywhere, stand for variables. `$$` is `$`. A `$`
 * within a word is a plain character.
 */
function commandWords(text: string): Words {
  const plain = withoutSpecifiers(text);
  if (plain === undefined) return { ok: false, why: "needs a specifier of systemd" };
  const split = splitWords(plain);
  if (!split.ok) return split;
  if (split.words.includes(";")) return { ok: false, why: "has several commands" };
  const words: string[] = [];
  for (const word of split.words) {
    const rest = word.replaceAll("$$", "");
    if (/^\$[A-Za-z_]\w*$/.test(rest) || /\$\{[^}]*\}/.test(rest)) {
      return { ok: false, why: `needs the variable ${word}` };
    }
    words.push(word.replaceAll("$$", "$"));
  }
  return { ok: true, words };
}

/** The words of a value in which `$` is a plain character. */
export function plainWords(text: string): Words {
  const plain = withoutSpecifiers(text);
  return plain === undefined ? { ok: false, why: "needs a specifier of systemd" } : splitWords(plain);
}

/** The argv of `ExecStart=` or `ExecStop=`, at least one word. The caller handles the prefix `-`. */
export function execWords(value: string): Words {
  const [, prefix = "", line = ""] = /^([@\-:+!|]*)(.*)$/.exec(value) ?? [];
  if (/[@+!|]/.test(prefix)) return { ok: false, why: `Sluice has no equivalent of the prefix ${prefix}` };
  const words = prefix.includes(":") ? plainWords(line) : commandWords(line);
  return words.ok && words.words.length === 0 ? { ok: false, why: "the command is empty" } : words;
}
