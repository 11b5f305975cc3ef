import type { Picture, PictureEdge, PictureNode } from "./picture.js";

const DOT_EDGE: Readonly<Record<PictureEdge["relation"], string>> = {
  order: "",
  requires: ' [style=dashed, color="#2060a0", constraint=false]',
  needs: ' [style=dotted, color="#a04020", constraint=false]',
};

/** A picture in the language of Graphviz. */
export function pictureToDot({ nodes, edges }: Pick<Picture, "nodes" | "edges">): string[] {
  return [
    "digraph plan {",
    "  rankdir=LR;",
    '  node [shape=box, style="rounded", fontname="sans-serif"];',
    ...nodes.map((node) => `  "${node.name}" [${dotAttributes(node).join(", ")}];`),
    ...edges.map(({ from, to, relation }) => `  "${from}" -> "${to}"${DOT_EDGE[relation]};`),
    "}",
  ];
}

function dotAttributes(node: PictureNode): string[] {
  const label = labelLines(node)
    .map((line) => line.replaceAll(/["\\]/g, "\\$&"))
    .join("\\n");
  return [
    `label="${label}"`,
    ...(node.kind === "task" ? ["shape=ellipse"] : []),
    ...(node.leftOut === undefined ? [] : ['color="#b0b0b0"', 'fontcolor="#909090"']),
  ];
}

const MERMAID_EDGE: Readonly<Record<PictureEdge["relation"], string>> = {
  order: "-->",
  requires: "-. requires .->",
  needs: "-. needs .->",
};

/** A picture as a Mermaid flowchart, which many sites draw in Markdown. */
export function pictureToMermaid({ nodes, edges }: Pick<Picture, "nodes" | "edges">): string[] {
  // Names, unlike numbers, may be words of the language.
  const ids = new Map(nodes.map(({ name }, i) => [name, `u${i}`]));
  const left = nodes.filter(({ leftOut }) => leftOut !== undefined).map(({ name }) => ids.get(name) ?? "");
  return [
    "flowchart LR",
    ...nodes.map((node) => `  ${ids.get(node.name) ?? ""}${mermaidShape(node)}`),
    ...edges.map(
      ({ from, to, relation }) => `  ${ids.get(from) ?? ""} ${MERMAID_EDGE[relation]} ${ids.get(to) ?? ""}`,
    ),
    ...(left.length === 0
      ? []
      : ["  classDef out fill:#f4f4f4,stroke:#b0b0b0,color:#909090", `  class ${left.join(",")} out`]),
  ];
}

function mermaidShape(node: PictureNode): string {
  const label = `"${labelLines(node).map(mermaidText).join("<br/>")}"`;
  return node.kind === "task" ? `([${label}])` : `[${label}]`;
}

function mermaidText(text: string): string {
  return text.replaceAll(/[&"<>#]/g, (character) => `#${character.codePointAt(0) ?? 0};`);
}

function labelLines({ name, serves, leftOut }: PictureNode): string[] {
  return [
    name,
    ...(serves.length === 0 ? [] : [`serves ${serves.join(", ")}`]),
    ...(leftOut === undefined ? [] : [leftOut]),
  ];
}
