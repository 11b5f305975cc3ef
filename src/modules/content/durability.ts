import { isErrno } from "../../errors/index.js";
import { fields, type Handle } from "../../messages/index.js";
import { BACKING_SERVICE } from "./serve-backing.js";

/** The durability of `content` at its start. */
export type Durability =
  { readonly isDurable: true; readonly why: string } | { readonly isDurable: false; readonly why: string };

/**
 * Decides whether answers mean that writes are durable (docs/store.md). They do if the instance has a `statedir` or a
 * loaded provider of `content-backing`, or if the present run also loads one.
 */
export async function durabilityOf(h: Handle): Promise<Durability> {
  if (h.rank !== 0) return { isDurable: true, why: "through the content of rank 0" };
  const owner = await ownerOf(h, BACKING_SERVICE);
  if (owner !== undefined) return { isDurable: true, why: `${owner} serves ${BACKING_SERVICE}` };
  const planned = (await h.attr("modprobe.planned")) ?? "";
  if (planned.split(",").includes(BACKING_SERVICE)) {
    return { isDurable: true, why: `a provider of ${BACKING_SERVICE} is about to load` };
  }
  const statedir = await chosenStatedir(h);
  return statedir === undefined
    ? {
        isDurable: false,
        why: `no statedir, and no loaded or planned provider of ${BACKING_SERVICE}`,
      }
    : { isDurable: true, why: `statedir is ${statedir}; no provider of ${BACKING_SERVICE} is loaded yet` };
}

/** Which module or client serves a name on this rank. */
async function ownerOf(h: Handle, name: string): Promise<string | undefined> {
  try {
    return fields(await h.rpc("service.owner", { name }), { owner: "string" }).owner;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** The attribute `statedir`, unless it is the one that every broker makes for itself below its `rundir`. */
async function chosenStatedir(h: Handle): Promise<string | undefined> {
  const [statedir = "", rundir = ""] = await Promise.all([h.attr("statedir"), h.attr("rundir")]);
  return statedir === "" || statedir.startsWith(`${rundir}/state-${h.rank}-`) ? undefined : statedir;
}
