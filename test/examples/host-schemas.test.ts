/** The files of examples/hosts for Kubernetes and compose have only fields that these know. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";

const EXAMPLES = resolve(import.meta.dirname, "../../examples/hosts");
const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });

/** The problems of each document of a file, after a change of its text. */
function problems(schema: string, file: string, change = (text: string): string => text): string[] {
  const text = readFileSync(join(import.meta.dirname, "schemas", `${schema}.schema.json`), "utf8");
  const validate = ajv.compile(JSON.parse(text) as object);
  return parseAllDocuments(change(readFileSync(join(EXAMPLES, file), "utf8"))).flatMap((document) => {
    expect(document.errors).toEqual([]);
    validate(document.toJS());
    return (validate.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
  });
}

const FILES = [
  ["stateful-set", "kubernetes.yaml"],
  ["compose", "compose.yaml"],
] as const;

describe.each(FILES)("%s: %s", (schema, file) => {
  test("is valid", () => {
    expect(problems(schema, file)).toEqual([]);
  });

  test("is invalid with a field of another name", () => {
    const keys = [...readFileSync(join(EXAMPLES, file), "utf8").matchAll(/^ +(?:- )?(\w+):/gm)];
    const names = new Set(keys.map(([, key = ""]) => key).filter((key) => !["nats", "leader"].includes(key)));
    expect(names.size).toBeGreaterThan(4);
    for (const name of names) {
      const renamed = problems(schema, file, (text) => text.replaceAll(`${name}:`, `${name}x:`));
      expect(renamed.some((line) => line.endsWith(" additionalProperties"))).toBe(true);
    }
  });

  test("is invalid with a number in place of the image", () => {
    const numbered = problems(schema, file, (text) => text.replaceAll("image: sluice", "image: 1"));
    expect(numbered[0]).toMatch(/\/image type$/);
  });
});

test("the labels of each StatefulSet are those that it selects", () => {
  const sets = parseAllDocuments(readFileSync(join(EXAMPLES, "kubernetes.yaml"), "utf8"));
  for (const set of sets) {
    expect(set.getIn(["spec", "selector", "matchLabels", "app"])).toBe(set.getIn(["metadata", "name"]));
    expect(set.getIn(["spec", "template", "metadata", "labels", "app"])).toBe(
      set.getIn(["metadata", "name"]),
    );
  }
});
