import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than half a minute. Their size, by which vitest goes where it knows no times, does not show it. */
const LONG = [
  "e2e/store-faults",
  "e2e/ranks",
  "e2e/web",
  "e2e/batch",
  "soak/soak",
  "broker/back-pressure-ranks",
  "e2e/hosts-faults",
  "torture/torture",
  "e2e/hosts",
  "broker/fairness",
  "loaders/command/ready",
  "broker/loaders",
  "broker/routing/back-pressure",
  "docs/commands",
  "e2e/processes",
  "instance/sentences",
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
