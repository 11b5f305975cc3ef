import { createHash } from "node:crypto";
import type { Gantt, GanttBar } from "./gantt.js";
import type { Headline } from "./headline.js";

type OtlpValue =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly boolValue: boolean };

interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

/** Numbers of 64 bits are text, identifiers hexadecimal, as in OTLP/JSON. */
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: number; readonly message?: string };
}

/** The data for a collector at `/v1/traces` (`schema/otlp-traces.schema.json`). */
export interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string; readonly version: string };
      readonly spans: readonly OtlpSpan[];
    }[];
  }[];
}

const KIND_INTERNAL = 1;
const STATUS = { ok: 1, error: 2 } as const;

/**
 * A run as spans of OpenTelemetry. One span is the run; below it each unit has one, linked to the unit that it waited for.
 * The same run always has the same identifiers, so that a collector that receives it twice stores it once.
 * @param version of Sluice that recorded the run
 */
export function ganttToOtlp(gantt: Gantt, headline: Headline, version: string): OtlpTraces {
  const run = `${headline.command} ${headline.rank} ${headline.epochMs}`;
  const traceId = identifier(run, 32);
  const spanIdOf = (unit: string): string => identifier(`${run} unit ${unit}`, 16);
  const startNs = BigInt(Math.round(headline.epochMs * 1000)) * 1000n;
  const at = (offsetNs: number): string => String(startNs + BigInt(Math.round(offsetNs)));
  const rootId = identifier(`${run} run`, 16);
  const root: OtlpSpan = {
    traceId,
    spanId: rootId,
    name: headline.command,
    kind: KIND_INTERNAL,
    startTimeUnixNano: at(0),
    endTimeUnixNano: at(headline.durationNs),
    attributes: attributesOf({
      "sluice.jobs": gantt.jobs,
      "sluice.units": headline.unitCount,
      "sluice.outcome": headline.outcome,
    }),
    links: [],
    status:
      headline.outcome === "ok" ? { code: STATUS.ok } : { code: STATUS.error, message: headline.outcome },
  };
  const units = gantt.bars.map((bar): OtlpSpan => ({
    traceId,
    spanId: spanIdOf(bar.unit),
    parentSpanId: rootId,
    name: `${bar.action} ${bar.unit}`,
    kind: KIND_INTERNAL,
    startTimeUnixNano: at(bar.startNs),
    endTimeUnixNano: at(bar.endNs),
    attributes: attributesOf(factsOf(bar)),
    links: bar.waitedFor === null ? [] : [{ traceId, spanId: spanIdOf(bar.waitedFor.unit) }],
    status: bar.ended === "end" ? { code: STATUS.ok } : { code: STATUS.error, message: bar.ended },
  }));
  return {
    resourceSpans: [
      {
        resource: {
          attributes: attributesOf({
            "service.name": "sluice",
            "service.version": version,
            "sluice.rank": headline.rank,
          }),
        },
        scopeSpans: [{ scope: { name: "sluice", version }, spans: [root, ...units] }],
      },
    ],
  };
}

function factsOf(bar: GanttBar): Record<string, string | number | boolean> {
  return {
    "sluice.unit": bar.unit,
    "sluice.action": bar.action,
    "sluice.critical": bar.critical,
    "sluice.slack_ms": bar.slackNs / 1e6,
    "sluice.waited_ms": (bar.startNs - bar.readyNs) / 1e6,
    ...(bar.waitedFor !== null && {
      "sluice.waited_for": bar.waitedFor.unit,
      "sluice.waited_for.kind": bar.waitedFor.kind,
    }),
  };
}

function attributesOf(values: Readonly<Record<string, string | number | boolean>>): OtlpAttribute[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: string | number | boolean): OtlpValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Takes this number of hexadecimal digits. OTLP forbids an identifier of zeros only, which no digest of ours is. */
function identifier(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}
