/**
 * The message of the day. `motd.get` answers `{text}`, `motd.set {text}` changes it permanently; until then, the
 * text is the first argument of the module.
 */
import type { Handle, Payload } from "sluice";

const KEY = "site.motd";
const EINVAL = 22;

export async function modMain(h: Handle, text = "Welcome"): Promise<void> {
  h.handle(
    "get",
    async () => ({ text: textOf(await h.rpc("kvs.get", { key: KEY, optional: true }), "value") ?? text }),
    {
      allowGuest: true,
    },
  );
  h.handle("set", async (request) => {
    const value = textOf(request.payload, "text");
    if (value === undefined) {
      h.respondError(request, EINVAL, "motd.set takes {text}");
      return;
    }
    await h.rpc("kvs.commit", { ops: [{ key: KEY, value }] });
    h.respond(request);
  });
  await h.run();
}

/** A field of a payload, if it is a text. */
function textOf(payload: Payload, field: string): string | undefined {
  const value =
    typeof payload === "object" && payload !== null ? (Reflect.get(payload, field) as unknown) : undefined;
  return typeof value === "string" ? value : undefined;
}
