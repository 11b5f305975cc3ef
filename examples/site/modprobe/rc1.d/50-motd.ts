/** Loads the site's own module at start-up, with all that the shipped rc1 loads. */
import type { Context } from "sluice/rc";

export function setup(c: Context): void {
  c.loadModules(["motd"]);
}
