import { fields, type Handle, type JsonValue, type NodeId } from "../../messages/index.js";
import { filesOf, FILES_ATTRIBUTE } from "../instance/files-option.js";

/**
 * The load request for a module of an instance of files, which only these files define.
 * @returns undefined if the instance has shipped and site units, or the files have no module of that name
 */
export async function stackUnitRequest(
  handle: Handle,
  name: string,
  args: readonly string[],
  rank: NodeId,
): Promise<Record<string, JsonValue> | undefined> {
  const text = await handle.attr(FILES_ATTRIBUTE);
  const files = text === undefined ? undefined : filesOf({}, { [FILES_ATTRIBUTE]: text });
  if (files === undefined) return undefined;
  const [{ composeSoundUnits }, { loadRequest }] = await Promise.all([
    import("../../units/index.js"),
    import("../../rc/index.js"),
  ]);
  const { catalog } = await composeSoundUnits({ files, disableFromEnv: false });
  const unit = catalog.byName.get(name);
  if (unit?.kind !== "module") return undefined;
  // Like every module of a plan, it belongs to a unit. A later apply compares it with the files.
  const order = { nodes: [name], offsets: [0, 0], targets: [] };
  const { plan } = fields(await handle.rpc("module.plan", order, { rank }), { plan: "integer" });
  const given = args.length === 0 ? {} : { args: [...unit.args, ...args], unitArgs: unit.args };
  return { ...loadRequest(unit, { explicit: true }), ...given, plan };
}
