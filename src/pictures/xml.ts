/** Attributes of an element. It leaves out undefined ones. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element of XML. Its children are already XML. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => (value === undefined ? "" : ` ${key}="${attributeText(value)}"`))
    .join("");
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join("")}</${name}>`;
}

/**
 * Text as XML. Characters that are invalid in XML, control characters and halves of surrogate pairs, become U+FFFD.
 */
export function escapeText(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}")
    .replaceAll(/[&<>"]/g, (character) => `&#${character.codePointAt(0) ?? 0};`);
}

function attributeText(value: string | number): string {
  // A tenth of a pixel is enough, and keeps files small.
  return typeof value === "number" ? String(Math.round(value * 10) / 10) : escapeText(value);
}
