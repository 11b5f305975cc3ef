import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Model } from "./model.js";
import { PictureBox } from "./picture-box.js";
import { go, place } from "./place.js";
import { day, duration } from "./texts.js";
import { useAnswer } from "./use-answer.js";

/** A recorded run, as `analyze --list --json` has it. */
interface RunRow {
  readonly number: number;
  readonly command: string;
  readonly epochMs: number;
}

export function TimelineView({ model }: { readonly model: Model }) {
  const recorded = model.recorded.value;
  const { value, problem } = useAnswer<{ readonly runs: readonly RunRow[] }>("api/runs", recorded);
  const { run, unit } = place.value;
  const runs = value?.runs ?? [];
  const isThere = runs.some(({ number }) => number === run);
  const gantt = useAnswer<{ readonly svg: string; readonly chain: string }>(
    isThere ? `api/gantt?run=${run}` : undefined,
    recorded,
  );
  if (problem !== "") return <pre role="alert">{problem}</pre>;
  if (value === undefined) return <p>Reading the recorded runs.</p>;
  if (runs.length === 0)
    return <p>No run was recorded yet: rc1, rc3, run and load record each run in an instance.</p>;
  return (
    <>
      <h2 class="hidden">Timeline</h2>
      <div class="search">
        <label for="run">Run</label>
        <select
          id="run"
          value={String(run)}
          onChange={({ currentTarget }) => go({ run: Number(currentTarget.value) })}
        >
          {runs.map(({ number, command, epochMs }) => (
            <option key={number} value={String(number)}>
              {number}: {command} of {day(epochMs / 1000)}
            </option>
          ))}
        </select>
      </div>
      {gantt.problem !== "" && <pre role="alert">{gantt.problem}</pre>}
      {gantt.value !== undefined && (
        <>
          <PictureBox
            class="gantt"
            svg={gantt.value.svg}
            label={`Run ${run} as a Gantt chart`}
            onUnit={(name) => go({ unit: name })}
            drawn={unit}
            decorate={(picture) => {
              for (const bar of picture.querySelectorAll("[data-unit]")) {
                bar.classList.toggle("chosen", bar.getAttribute("data-unit") === unit);
              }
            }}
          />
          <h3>Critical chain</h3>
          <pre tabIndex={0} aria-label="Critical chain">
            {gantt.value.chain}
          </pre>
          <WhatIf run={run} unit={unit} />
        </>
      )}
    </>
  );
}

interface Prediction {
  readonly recorded: { readonly durationMs: number; readonly jobs: number };
  readonly predicted: { readonly durationMs: number; readonly jobs: number };
}

const jobs = signal(0);
const factor = signal(1);
const MOST_JOBS = 64;
const MOST_FACTOR = 10;
/** A slider passes many values on its way. */
const STILL_MS = 150;

function WhatIf({ run, unit }: { readonly run: number; readonly unit: string }) {
  const wanted = new URLSearchParams({ run: String(run) });
  if (jobs.value > 0) wanted.set("jobs", String(jobs.value));
  if (unit !== "" && factor.value > 1) {
    wanted.set("unit", unit);
    wanted.set("factor", String(factor.value));
  }
  const query = wanted.toString();
  const [still, setStill] = useState(query);
  useEffect(() => {
    const timer = setTimeout(() => setStill(query), STILL_MS);
    return () => clearTimeout(timer);
  }, [query]);
  const { value, problem } = useAnswer<Prediction>(`api/what-if?${still}`);
  const shown = jobs.value || (value?.recorded.jobs ?? 1);
  return (
    <section aria-label="What if" class="what-if">
      <h3>What if</h3>
      <label for="jobs">units at a time: {shown}</label>
      <input
        id="jobs"
        type="range"
        min={1}
        max={MOST_JOBS}
        value={shown}
        onInput={({ currentTarget }) => (jobs.value = Number(currentTarget.value))}
      />
      <label for="factor">
        {unit === "" ? "choose a unit to make it faster" : `${unit} ${factor.value} times as fast`}
      </label>
      <input
        id="factor"
        type="range"
        min={1}
        max={MOST_FACTOR}
        disabled={unit === ""}
        value={factor.value}
        onInput={({ currentTarget }) => (factor.value = Number(currentTarget.value))}
      />
      <p role="status">
        {problem !== ""
          ? problem
          : value !== undefined &&
            `recorded ${duration(value.recorded.durationMs)}, predicted ${duration(value.predicted.durationMs)}`}
      </p>
    </section>
  );
}
