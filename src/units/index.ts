export { catalogToToml } from "./catalog-toml.js";
export {
  type CodeContribution,
  codeFragment,
  type CodeTask,
  type SetupEdit,
} from "./reading/code-fragment.js";
export { compose, type ComposeOptions } from "./composing/compose.js";
export { composeUnits, type ComposeUnitsOptions, disableNames } from "./compose-units.js";
export type { DisableRequest } from "./composing/composer.js";
export {
  configFromJson,
  type ConfigJson,
  type ConfigJsonTable,
  configToJson,
} from "./reading/config-json.js";
export { configGet, mergeConfig } from "./reading/config-value.js";
export { checkConfiguration, Configuration, type ConfigLayer } from "./reading/configuration.js";
export { doubtComposition } from "./composing/doubts.js";
export { type Format, formatOf } from "./formats/document.js";
export { createFileGuard, type FileGuard, INSECURE, refuseInsecure } from "./file-guard.js";
export type { Change, Definition, Fragment, NamedReference } from "./fragment.js";
export { isName } from "./names.js";
export {
  type FragmentText,
  parseFragment,
  parseRcFragment,
  readRcFragment,
} from "./reading/parse-fragment.js";
export { parseDuration, parseSize, type Quantity } from "./quantity.js";
export {
  ALL_RANKS,
  formatRankSet,
  MAX_RANK,
  type Parsed,
  parseRankSet,
  rankSetHas,
  rankSetOf,
} from "./rank-set.js";
export {
  type ConfigInput,
  configurationFromText,
  parseConfigText,
  readConfiguration,
} from "./reading/read-config.js";
export { unreadable } from "./reading/read-file.js";
export { readFragments, type ReadEvent, type ReadFragmentsOptions } from "./reading/read-fragments.js";
export {
  defaultDirectories,
  type Directories,
  type Env,
  rcSearchPath,
  unitSearchPath,
} from "./search-path.js";
export { namedOrigin } from "./source.js";
export type * from "./types.js";
export { type UnitJson, type UnitJsonValue, unitToJson } from "./unit-json.js";
