import type { JsonObject } from "../broker/index.js";
import { checkConfiguration, configFromJson, LayeredConfiguration } from "../units/index.js";

/** The problems of a configuration from a message, one a line; undefined if it is valid. */
export function checkConfig(config: JsonObject): string | undefined {
  const checked = checkConfiguration(LayeredConfiguration.of(configFromJson(config), "new configuration"));
  return checked.ok ? undefined : checked.diagnostics.map(({ message }) => message).join("\n");
}
