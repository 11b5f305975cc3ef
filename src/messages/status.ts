/** What a module reports of itself with `module.status` (RFC 5; modules.md §3). */
export const MODULE_STATUS = { running: 1, finalizing: 2, exited: 3 } as const;
