import { fail, renderDiagnostic, requestError, type Result } from "../../errors/index.js";
import type { LayeredConfiguration } from "../../units/index.js";
import {
  checkConfiguration,
  configurationWarnings,
  type ConfigTable,
  readConfiguration,
} from "../../units/index.js";
import { configInputs, type ConfigOptions } from "../config-inputs.js";
import { guardFor, type InsecureOption } from "../insecure.js";
import { ExitError, sayDiagnostics } from "../terminal/output.js";

/** The sources of a broker's configuration. */
export type BrokerConfigOptions = ConfigOptions & InsecureOption;

/**
 * Reads and checks the configuration that a broker starts with.
 * @param prefix undefined: another process reads the same configuration, and reports all its problems
 * @throws ExitError after it has printed all problems
 */
export async function startConfig(
  options: BrokerConfigOptions,
  prefix: string | undefined,
): Promise<ConfigTable> {
  const checked = await readChecked(options);
  if (checked.ok) {
    if (prefix !== undefined) sayDiagnostics(configurationWarnings(checked.value), prefix);
    return checked.value.table;
  }
  if (prefix !== undefined) sayDiagnostics(checked.diagnostics, prefix);
  throw new ExitError(1);
}

/**
 * Reads the configuration again, for a client that shows the problems.
 * @throws SluiceError BROKER_REQUEST `EINVAL` with all problems, each with its place
 */
export async function reloadedConfig(options: BrokerConfigOptions): Promise<ConfigTable> {
  const checked = await readChecked(options);
  if (checked.ok) return checked.value.table;
  const problems = checked.diagnostics.map(renderDiagnostic).join("\n");
  throw requestError(
    "EINVAL",
    `the configuration is invalid; the broker keeps the old configuration\n${problems}`,
  );
}

/** Checks the files each time, because they may have another owner now. */
async function readChecked(options: BrokerConfigOptions): Promise<Result<LayeredConfiguration>> {
  const read = await readConfiguration(configInputs(options), guardFor(options));
  return read.ok ? checkConfiguration(read.value) : fail(read.diagnostics);
}
