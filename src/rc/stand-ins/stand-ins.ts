import type { DecidingUse } from "../../typescript/index.js";
import { siteInFile } from "../declaration-site.js";
import type { StandIn, StandInUse } from "../host-protocol.js";

const MARK = "<stand-in for ";

/** The texts of the uses. */
const TEXTS: Readonly<Record<DecidingUse, string>> = {
  tested: "a stand-in counted as true",
  compared: "a stand-in counted as different",
};

/**
 * Inert stand-ins for imports that cannot be found, while an rc file in TypeScript or JavaScript is read for a plan
 * (docs/design/flux.md §1). Attributes and calls of a stand-in are stand-ins too. If a stand-in decides a part of the
 * plan, the host records and reports the place.
 */
export class StandIns {
  readonly names: StandIn[] = [];
  readonly uses: StandInUse[] = [];
  readonly #file: string;
  readonly #nameOf = new WeakMap<object, string>();

  /** @param file the rc file */
  constructor(file: string) {
    this.#file = file;
  }

  /** Returns a stand-in for a missing module. */
  module(name: string): object {
    if (!this.names.some((each) => each.name === name)) {
      this.names.push({ name, line: this.#line() });
    }
    return this.#make(name, true);
  }

  /** Records a value that decides how the code continues; returns the value. */
  decided(value: unknown, use: DecidingUse, place: Pick<StandInUse, "file" | "line">): unknown {
    for (const name of this.#namesIn(value, new Set())) this.#addUse(name, TEXTS[use], place);
    return value;
  }

  /**
   * Records whether values of a plan come from stand-ins. The caller then ignores the values.
   * @param what the part of the plan that the values decide, as in "WHAT depends on the import"
   */
  decides(what: string, values: readonly unknown[], line = this.#line()): boolean {
    const names = this.#namesIn(values, new Set());
    for (const name of names) this.#addUse(name, `${what} depends on the import`, { file: this.#file, line });
    return names.size > 0;
  }

  #addUse(name: string, what: string, { file, line }: Pick<StandInUse, "file" | "line">): void {
    const text = `'${name}' cannot be imported here; ${what}`;
    const isKnown = this.uses.some((use) => use.file === file && use.line === line && use.text === text);
    if (!isKnown) this.uses.push({ file, line, text });
  }

  #used(name: string, what: string): void {
    this.#addUse(name, `a stand-in ${what}`, { file: this.#file, line: this.#line() });
  }

  /** The innermost line of the rc file that is being run. */
  #line(): number {
    return siteInFile(new Error("place").stack ?? "", this.#file).line;
  }

  #namesIn(value: unknown, names: Set<string>): Set<string> {
    if (typeof value === "string") {
      for (const piece of value.split(MARK).slice(1)) names.add(piece.split(">")[0] ?? "");
    } else if ((typeof value === "object" && value !== null) || typeof value === "function") {
      const name = this.#nameOf.get(value);
      if (name !== undefined) names.add(name);
      else if (Array.isArray(value)) for (const item of value) this.#namesIn(item, names);
    }
    return names;
  }

  #make(name: string, isModule = false): object {
    const mark = `${MARK}${name}>`;
    const get = (key: string | symbol): unknown => {
      switch (key) {
        // An `await` of a stand-in returns the stand-in itself, because it has no `then`.
        case "then":
          return undefined;
        case "__esModule":
          return isModule;
        case "toString":
          return () => mark;
        case Symbol.toPrimitive:
          return (hint: string) => {
            if (hint !== "number") return mark;
            this.#used(name, "counted as 0");
            return 0;
          };
        case Symbol.iterator:
        case Symbol.asyncIterator:
          return () => {
            this.#used(name, "counted as empty");
            return [][Symbol.iterator]();
          };
      }
      if (typeof key === "symbol") return undefined;
      return this.#make(key === "default" && isModule ? name : `${name}.${key}`);
    };
    // A function, so that it can be called, constructed, and extended.
    const made = new Proxy(function () {}, {
      get: (_, key) => get(key),
      set: () => true,
      deleteProperty: () => true,
      has: (_, key) => {
        this.#used(name, "lacked the requested property");
        return key === "prototype";
      },
      apply: () => this.#make(`${name}()`),
      construct: () => this.#make(`new ${name}()`),
    });
    this.#nameOf.set(made, name);
    return made;
  }
}
