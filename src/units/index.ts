export { type AfterLine, afterLine, type Relation, relationBetween } from "./after-line.js";
export { catalogToToml } from "./catalog-toml.js";
export { codeFragment, type CodeTask, type SetupEdit } from "./reading/code-fragment.js";
export type { ComposeOptions } from "./composing/catalog.js";
export { compose, composeOver, isComposed } from "./composing/compose.js";
export { composeSoundUnits, composeUnits, type ComposeUnitsOptions, disableNames } from "./compose-units.js";
export type { DisableRequest } from "./composing/composer.js";
export { configFromJson, configToJson } from "./reading/config-json.js";
export { configGet, mergeConfig } from "./reading/config-value.js";
export { checkConfiguration, configurationWarnings, LayeredConfiguration } from "./reading/configuration.js";
export { compositionWarnings } from "./composing/composition-warnings.js";
export { groupNamed, groupNames, groupReference, unitsOfGroup, withGroups } from "./groups.js";
export { formatOf } from "./formats/document.js";
export { createFileGuard, type FileGuard, INSECURE, refuseInsecure } from "./file-guard.js";
export { refuseInsecureTree } from "./tree-guard.js";
export type { Fragment, NamedReference, Reading } from "./fragment.js";
export { rowsOf, type UnitKeyRow } from "./keys/keys.js";
export { isName } from "./names.js";
export { FragmentCache } from "./cache/fragment-cache.js";
export {
  asReading,
  brokenReading,
  type FileReading,
  parseFragment,
  parseRcFragment,
  readRcFragment,
  readRcReading,
} from "./reading/parse-fragment.js";
export { parseDuration, parseSize } from "./quantity.js";
export { ALL_RANKS, formatRankSet, MAX_RANK, parseRankSet, rankSetHas, rankSetOf } from "./rank-set.js";
export {
  type ConfigInput,
  configurationFromText,
  parseConfigText,
  readConfiguration,
} from "./reading/read-config.js";
export { unreadable } from "./reading/read-file.js";
export { pickedFragment } from "./reading/picked-fragment.js";
export { readFragments, readStackFiles, type ReadEvent } from "./reading/read-fragments.js";
export {
  defaultDirectories,
  type Directories,
  type Env,
  rcSearchPath,
  unitSearchPath,
} from "./search-path.js";
export { namedOrigin, SourceOrigin } from "./source.js";
export type * from "./types.js";
export { RUNLEVELS } from "./values.js";
export { makeModule, optionsOf } from "./unit-values.js";
export { type UnitUpdate, updatesToToml } from "./update-toml.js";
export { shownArgs, withoutSecrets } from "./secrets.js";
export { type UnitJson, unitToJson } from "./unit-json.js";
