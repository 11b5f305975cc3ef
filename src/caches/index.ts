export { isOursAlone } from "./own-directory.js";
export { KeptFiles } from "./kept-files.js";
export { replaceFile } from "./replace-file.js";
export { digestOf, SealedFiles } from "./sealed-files.js";
