import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than half a minute. Their size, by which vitest goes where it knows no times, does not show it. */
const LONG = [
  "e2e/store-faults",
  "broker/back-pressure-ranks",
  "soak/soak",
  "e2e/batch",
  "e2e/ranks",
  "e2e/web",
  "torture/torture",
  "e2e/hosts",
  "e2e/certify",
  "instance/sentences",
  "e2e/hosts-faults",
  "e2e/outputs",
  "graph/listing-order",
];

/** Starts the long files first: at the end of the run no worker has to wait for one of them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

/** Among the long ones; all others come behind them. */
function placeOf({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return place === -1 ? LONG.length : place;
}
