/** An element of a document: its attributes, its elements, and the text directly in it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  text: string;
}

const NAME = /[A-Za-z_:][\w:.-]*/y;
const BLANK = /[ \t\n\r]*/y;
const VALUE = /"([^"<]*)"/y;
const TEXT = /[^<]*/y;
const ILLEGAL = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/**
 * Reads a document of XML as strictly as a parser has to that stops at the first error (XML 1.0). It knows
 * the part without comments, processing instructions, document types and CDATA.
 * @throws Error with the offset of what is wrong
 */
export function parseXml(source: string): XmlElement {
  const illegal = ILLEGAL.exec(source);
  if (illegal !== null) throw new Error(`illegal character at ${illegal.index}`);
  const reader = new Reader(source);
  const top: XmlElement = { name: "", attributes: new Map(), children: [], text: "" };
  const open = [top];
  for (;;) {
    const within = open.at(-1) ?? top;
    within.text += decode(reader.take(TEXT));
    if (reader.isAtEnd) break;
    if (reader.skip("</")) {
      const name = reader.need(NAME);
      reader.take(BLANK);
      reader.expect(">");
      if (open.length === 1 || open.pop()?.name !== name) reader.fail(`</${name}> ends no element`);
      continue;
    }
    const { element, isEmpty } = readTag(reader);
    within.children.push(element);
    if (!isEmpty) open.push(element);
  }
  const [root, second] = top.children;
  if (open.length > 1) reader.fail(`<${open.at(-1)?.name ?? ""}> is not ended`);
  if (root === undefined || second !== undefined || top.text.trim() !== "")
    return reader.fail("not one root");
  return root;
}

/** An element and all in it, from the outside in. */
export function* within(element: XmlElement): Generator<XmlElement> {
  const waiting = [element];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    yield at;
    waiting.push(...at.children.toReversed());
  }
}

function readTag(reader: Reader): { readonly element: XmlElement; readonly isEmpty: boolean } {
  reader.expect("<");
  const name = reader.need(NAME);
  const attributes = new Map<string, string>();
  for (;;) {
    const blank = reader.take(BLANK);
    const isEmpty = reader.skip("/>");
    if (isEmpty || reader.skip(">"))
      return { element: { name, attributes, children: [], text: "" }, isEmpty };
    if (blank === "") reader.fail("no blank before an attribute");
    const key = reader.need(NAME);
    reader.expect("=");
    if (attributes.has(key)) reader.fail(`${key} is there twice`);
    attributes.set(key, decode(reader.need(VALUE).slice(1, -1)));
  }
}

function decode(text: string): string {
  return text.replaceAll(/&([^;&]*);?/g, (whole, entity: string) => {
    const number = /^#(\d+)$/.exec(entity)?.[1];
    const known = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }[entity];
    const character = number === undefined ? known : String.fromCodePoint(Number(number));
    if (character === undefined || !whole.endsWith(";")) throw new Error(`unknown entity ${whole}`);
    return character;
  });
}

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  need(pattern: RegExp): string {
    const found = this.take(pattern);
    return found === "" ? this.fail(`expected ${pattern.source}`) : found;
  }

  skip(text: string): boolean {
    const isThere = this.#source.startsWith(text, this.#at);
    if (isThere) this.#at += text.length;
    return isThere;
  }

  expect(text: string): void {
    if (!this.skip(text)) this.fail(`expected ${text}`);
  }

  fail(message: string): never {
    throw new Error(`${message} at ${this.#at}: ${this.#source.slice(this.#at, this.#at + 40)}`);
  }
}
