import { fields, type JsonValue } from "../messages/index.js";
import { createPluginLoader } from "./plugin-loader.js";
import type { ModuleLoader } from "./module-loader.js";
import { createCommandLoader } from "./program.js";
import { createPythonLoader } from "./python.js";

const LOADER = {
  suffixes: "string[]?",
  magic: "string?",
  command: "string[]?",
  plugin: "string?",
} as const;

/**
 * The loaders that the table `loaders` of a configuration describes (docs/design/modules.md §4), in its order.
 * @param verifyPlugin called before each loading of a plug-in, with its path; an error that it throws refuses the
 *   plug-in
 * @param table checked against schema/instance-config.schema.json; its paths are absolute
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` for a value of another type
 */
export function configuredLoaders(
  table: JsonValue | undefined,
  verifyPlugin: (path: string) => void = () => undefined,
): ModuleLoader[] {
  const entries = fields({ table: table ?? {} }, { table: "object" }).table;
  return Object.entries(entries).map(([name, entry]) => {
    const { suffixes = [], magic, command = [], plugin } = fields(entry, LOADER);
    // The interpreter of our own loader, which adds the arguments.
    if (name === "python" && plugin === undefined) return createPythonLoader(command);
    const common = { name, suffixes, magic: magic === undefined ? undefined : magicBytes(magic) };
    return plugin === undefined
      ? createCommandLoader({ ...common, command })
      : createPluginLoader({ ...common, plugin, verify: () => verifyPlugin(plugin) });
  });
}

/** Text in UTF-8, where `\xHH` is any byte, as the kernel's binfmt_misc takes it. */
function magicBytes(text: string): Uint8Array {
  const parts = text.split(/(\\x[0-9a-fA-F]{2})/);
  return Buffer.concat(
    parts.map((part, index) =>
      index % 2 === 1 ? Buffer.from([Number.parseInt(part.slice(2), 16)]) : Buffer.from(part, "utf8"),
    ),
  );
}
