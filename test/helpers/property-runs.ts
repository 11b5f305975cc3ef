/** `npm run soak:properties` sets it: properties are then tried so many times as often. */
const TIMES = Number(process.env["SLUICE_TEST_RUNS"] ?? 1);

/** How often fast-check tries a property: as often as is said in `npm test`, and more often in a soak. */
export function runs(usual: number): { readonly numRuns: number } {
  return { numRuns: usual * TIMES };
}
