import { signal } from "@preact/signals";
import { Component } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Actions } from "./action-dialog.js";
import { type Model, type ModuleRow, type RankModules, redrawnWith } from "./model.js";
import { go, place } from "./place.js";
import { session } from "./session.js";
import { bytes, clock, rate } from "./texts.js";

/** The height of a row, as the style has it. */
const ROW_PX = 28;
/** Rows above and below what is seen. */
const SPARE = 8;
/** Scrolling draws so many rows at a time: to lay out the table costs more than a row. */
const STEP = 16;
/** All that are in the document. */
const MOST_ROWS = 90;
const MOST_LINES = 300;

interface Column {
  readonly title: string;
  readonly text: (row: ModuleRow, here: RankModules) => string;
  /** What it is sorted by; the larger comes first. */
  readonly order?: (row: ModuleRow, here: RankModules) => number;
}

const COLUMNS: readonly Column[] = [
  { title: "Module", text: ({ name }) => name },
  { title: "State", text: stateText },
  { title: "Health", text: healthText, order: ({ owedSeconds }) => owedSeconds },
  {
    title: "Idle",
    text: ({ activeTime }, { time }) => idleText(time - activeTime),
    order: ({ activeTime }) => activeTime,
  },
  { title: "Sendq", text: ({ sendq }) => String(sendq), order: ({ sendq }) => sendq },
  { title: "Recvq", text: ({ recvq }) => String(recvq), order: ({ recvq }) => recvq },
  {
    title: "Rx/s",
    text: (row, here) => rate(ratesIn(row, here).rx),
    order: (row, here) => ratesIn(row, here).rx,
  },
  {
    title: "Tx/s",
    text: (row, here) => rate(ratesIn(row, here).tx),
    order: (row, here) => ratesIn(row, here).tx,
  },
  {
    title: "CPU%",
    text: (row, here) => (row.cpuSeconds === undefined ? "-" : ratesIn(row, here).cpuPercent.toFixed(1)),
    order: (row, here) => (row.cpuSeconds === undefined ? -1 : ratesIn(row, here).cpuPercent),
  },
  { title: "Mem", text: ({ rssBytes }) => bytes(rssBytes), order: ({ rssBytes = -1 }) => rssBytes },
  { title: "Restarts", text: ({ restarts }) => String(restarts), order: ({ restarts }) => restarts },
  { title: "Services", text: ({ services }) => services.join(", ") },
];

const OTHERS = COLUMNS.slice(1);

/** The column that it is sorted by; undefined: as loaded. */
const sort = signal<string | undefined>(undefined);
const filter = signal("");

export function ModulesView({ model }: { readonly model: Model }) {
  redrawnWith(model);
  const rank = place.value.rank ?? session.value?.rank ?? 0;
  const here = model.byRank.get(rank);
  if (session.value?.mode === "offline") return <p>No instance runs, so the table has no modules.</p>;
  return (
    <>
      <h2 class="hidden">Modules</h2>
      <div class="search">
        <label for="filter">Filter</label>
        <input
          id="filter"
          type="search"
          autocomplete="off"
          value={filter.value}
          onInput={({ currentTarget }) => (filter.value = currentTarget.value)}
        />
        {model.byRank.size > 1 && (
          <>
            <label for="rank">Rank</label>
            <select
              id="rank"
              value={String(rank)}
              onChange={({ currentTarget }) => go({ rank: Number(currentTarget.value) })}
            >
              {[...model.byRank.keys()]
                .sort((a, b) => a - b)
                .map((one) => (
                  <option key={one} value={String(one)}>
                    {one}
                  </option>
                ))}
            </select>
          </>
        )}
      </div>
      {here === undefined ? <p>Nothing is known of rank {rank} yet.</p> : <Table model={model} here={here} />}
      <UnitLog model={model} rank={rank} />
      <Waits model={model} />
    </>
  );
}

function Table({ model, here }: { readonly model: Model; readonly here: RankModules }) {
  const version = redrawnWith(model);
  const box = useRef<HTMLDivElement>(null);
  const [step, setStep] = useState(0);
  const [height, setHeight] = useState(400);
  useLayoutEffect(() => setHeight(box.current?.clientHeight ?? 400), []);
  const rows = useMemo(() => rowsOf(here), [here, version, filter.value, sort.value]);
  const { unit } = place.value;
  const first = Math.max(0, Math.min(step * STEP - SPARE, rows.length - 1));
  const count = Math.min(MOST_ROWS, Math.ceil(height / ROW_PX) + STEP + 2 * SPARE);
  const shown = rows.slice(first, first + count);
  const focusable = shown.some(({ name }) => name === unit) ? unit : shown[0]?.name;
  const moveTo = (index: number): void => {
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (row === undefined || box.current === null) return;
    go({ unit: row.name });
    const at = rows.indexOf(row) * ROW_PX;
    const { scrollTop, clientHeight } = box.current;
    if (at < scrollTop) box.current.scrollTop = at;
    else if (at > scrollTop + clientHeight - 2 * ROW_PX)
      box.current.scrollTop = at - clientHeight + 3 * ROW_PX;
    wanted.current = row.name;
  };
  // The row that a key has led to may be drawn only after it was scrolled to.
  const wanted = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (wanted.current === undefined) return;
    const button = box.current?.querySelector<HTMLButtonElement>("tr[aria-selected=true] button");
    if (button === null || button === undefined) return;
    wanted.current = undefined;
    button.focus();
  });
  const at = rows.findIndex(({ name }) => name === unit);
  const page = Math.floor(height / ROW_PX) - 1;
  const keys: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: rows.length - 1,
  };
  return (
    <div
      ref={box}
      class="table"
      tabIndex={0}
      role="group"
      aria-label="Table of modules"
      onScroll={({ currentTarget }) => setStep(Math.floor(currentTarget.scrollTop / ROW_PX / STEP))}
      onKeyDown={(event) => {
        const to = keys[event.key];
        if (to === undefined) return;
        event.preventDefault();
        moveTo(to);
      }}
    >
      <table role="grid" aria-rowcount={rows.length} aria-label="Modules">
        <thead>
          <tr>
            {COLUMNS.map(({ title }) => (
              <th key={title} scope="col" aria-sort={sort.value === title ? "descending" : "none"}>
                <button type="button" onClick={() => (sort.value = sort.value === title ? undefined : title)}>
                  {title}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap px={first * ROW_PX} />
          {shown.map((row, index) => (
            <Row
              key={row.name}
              name={row.name}
              index={first + index + 1}
              isSelected={row.name === unit}
              isFocusable={row.name === focusable}
              owes={row.owedSeconds > 0}
              texts={OTHERS.map(({ text }) => text(row, here))}
            />
          ))}
          <Gap px={(rows.length - first - shown.length) * ROW_PX} />
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  readonly name: string;
  /** From 1. */
  readonly index: number;
  readonly isSelected: boolean;
  readonly isFocusable: boolean;
  readonly owes: boolean;
  /** Of the columns after the name. */
  readonly texts: readonly string[];
}

/** A module; it is drawn anew only when something in it has changed. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { index, isSelected, isFocusable, owes, texts } = this.props;
    return (
      next.index !== index ||
      next.isSelected !== isSelected ||
      next.isFocusable !== isFocusable ||
      next.owes !== owes ||
      next.texts.some((text, at) => text !== texts[at])
    );
  }

  override render({ name, index, isSelected, isFocusable, owes, texts }: RowProps) {
    return (
      <tr
        aria-rowindex={index}
        aria-selected={isSelected}
        data-unit={name}
        class={owes ? "owes" : ""}
        onClick={() => go({ unit: name })}
      >
        <td>
          <button type="button" tabIndex={isFocusable ? 0 : -1}>
            {name}
          </button>
        </td>
        {texts.map((text, at) => (
          <td key={at}>{text}</td>
        ))}
      </tr>
    );
  }
}

/** In place of the rows that are not seen. */
function Gap({ px }: { readonly px: number }) {
  const row = useRef<HTMLTableRowElement>(null);
  useLayoutEffect(() => {
    // By script: a style in the document is not allowed.
    if (row.current !== null) row.current.style.height = `${Math.max(0, px)}px`;
  }, [px]);
  return px <= 0 ? null : (
    <tr ref={row} aria-hidden="true" class="gap">
      <td colSpan={COLUMNS.length} />
    </tr>
  );
}

function rowsOf(here: RankModules): ModuleRow[] {
  const text = filter.value.toLowerCase();
  const all = [...here.modules.values()];
  const rows = text === "" ? all : all.filter(({ name }) => name.toLowerCase().includes(text));
  const column = COLUMNS.find(({ title }) => title === sort.value);
  if (column === undefined) return rows;
  const { order, text: textOf } = column;
  if (order !== undefined) return rows.sort((a, b) => order(b, here) - order(a, here));
  return rows.sort((a, b) => textOf(a, here).localeCompare(textOf(b, here)));
}

/** What the broker and its programs have written of the chosen module. */
function UnitLog({ model, rank }: { readonly model: Model; readonly rank: number }) {
  redrawnWith(model);
  const { unit } = place.value;
  const box = useRef<HTMLPreElement>(null);
  const lines = unit === "" ? [] : linesOf(model, unit, rank);
  useEffect(() => {
    box.current?.scrollTo(0, box.current.scrollHeight);
  }, [unit, lines.length]);
  if (unit === "") return <p>Choose a module to see its log.</p>;
  const failure = model.byRank.get(rank)?.failed.find(({ name }) => name === unit);
  return (
    <section aria-label={`Log of ${unit}`}>
      <h3>{unit}</h3>
      {failure !== undefined && <p role="alert">failed: {failure.message}</p>}
      <Actions unit={unit} />
      <pre ref={box} class="log" tabIndex={0} aria-label={`Log lines of ${unit}`}>
        {lines.length === 0 ? "The module has written no log lines." : lines.join("\n")}
      </pre>
    </section>
  );
}

/** The output of `sluice waits`. */
function Waits({ model }: { readonly model: Model }) {
  redrawnWith(model);
  return (
    <section aria-label="Waits">
      <h3>Requests that wait</h3>
      <pre class="log" tabIndex={0} aria-label="Requests that wait">
        {model.waits === null ? "asking" : model.waits.join("\n")}
      </pre>
    </section>
  );
}

function linesOf(model: Model, unit: string, rank: number): string[] {
  const own = model.log.filter(
    ({ name, text, rank: of }) =>
      of === rank && (name === unit || (name === "broker" && isAbout(text, unit))),
  );
  const output = model.output.filter(({ unit: of, rank: at }) => of === unit && at === rank);
  return [...own, ...output]
    .sort((a, b) => a.time - b.time)
    .slice(-MOST_LINES)
    .map(({ time, level, stream, text }) => `${clock(time)} ${level ?? stream ?? ""}: ${text}`);
}

function isAbout(text: string, unit: string): boolean {
  return text.startsWith(`${unit} `) || text.startsWith(`${unit}:`);
}

function ratesIn({ name }: ModuleRow, { rates }: RankModules) {
  return rates.get(name) ?? { rx: 0, tx: 0, cpuPercent: 0 };
}

function stateText({ state, phase }: ModuleRow): string {
  return phase === "up" ? state : `${state} ${phase}`;
}

function healthText({ owedSeconds, phase, probe }: ModuleRow): string {
  if (owedSeconds > 0) return `! no answer for ${owedSeconds.toFixed(0)} s`;
  if (phase === "backoff") return "! failed";
  return probe !== undefined && probe.failures > 0 ? `! fails ${probe.failures}/${probe.limit}` : "ok";
}

function idleText(seconds: number): string {
  return seconds > 99 ? "idle" : String(Math.max(0, Math.floor(seconds)));
}
