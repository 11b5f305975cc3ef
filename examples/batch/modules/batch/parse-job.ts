import { fields, type JsonValue, requestError } from "sluice";
import { type Job, type JobEnd, type JobResult, parseSpec, placementOf, type Progress } from "./job.js";

const RESULTS: readonly JobResult[] = ["COMPLETED", "FAILED", "CANCELED", "TIMEOUT"];

/**
 * A job from its record, which a user may have edited.
 * @throws `EPROTO` or `EINVAL`, naming the field
 */
export function parseJob(record: JsonValue): Job {
  const { id, submitted, spec, progress } = fields(record, {
    id: "integer",
    submitted: "number",
    spec: "object",
    progress: "object",
  });
  return { id, submitted, spec: parseSpec(spec), progress: parseProgress(progress) };
}

function parseProgress(record: JsonValue): Progress {
  const { state } = fields(record, { state: "string" });
  switch (state) {
    case "SCHED":
      return { state };
    case "RUN": {
      const { placement, started } = fields(record, { placement: "object", started: "number" });
      return { state, placement: placementOf(placement), started };
    }
    case "INACTIVE": {
      const { end, placement, started, ended } = fields(record, {
        end: "object",
        placement: "object?",
        started: "number?",
        ended: "number",
      });
      const where = placement === undefined ? null : placementOf(placement);
      return { state, end: parseEnd(end), placement: where, started: started ?? null, ended };
    }
    default:
      throw requestError("EINVAL", `no such state '${state}'`);
  }
}

function parseEnd(record: JsonValue): JobEnd {
  const { result, status, note } = fields(record, { result: "string", status: "integer", note: "string" });
  const known = RESULTS.find((each) => each === result);
  if (known === undefined) throw requestError("EINVAL", `no such result '${result}'`);
  return { result: known, status, note };
}
