export type * from "./types.js";
export { FLAG, ROLE } from "./types.js";
