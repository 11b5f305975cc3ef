export { applyPayload } from "./apply-payload.js";
export { compareWith, differencesFrom, recordedIn } from "./apply-record.js";
export { ApplySession, type ApplyTurn } from "./apply-session.js";
export { DrivenApply } from "./driven-apply.js";
export { type ApplyEnd, applyOnAll, type RankProposal } from "./apply-on-all.js";
