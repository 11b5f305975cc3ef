export { importProcessCompose } from "./process-compose.js";
export { importProcfile } from "./procfile.js";
export { fragmentLines, type ImportedFile, isComplete } from "./sketch.js";
export { importService, serviceName } from "./systemd.js";
