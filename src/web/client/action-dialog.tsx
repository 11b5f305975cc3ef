import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, session } from "./session.js";
import { messageOf } from "./texts.js";

/** An action that the user has chosen, and how far it is. */
interface Asked {
  readonly action: string;
  /** Undefined: all units. */
  readonly unit: string | undefined;
  readonly command: string;
  readonly text: string;
  /** What the dry run printed, which the server compares with what it would do by then. */
  readonly shown?: string;
  readonly state: "trying" | "asking" | "running" | "done" | "failed";
}

interface Outcome {
  readonly command: string;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const asked = signal<Asked | undefined>(undefined);

/** Counts actions that were carried out: what the commands say may be something else afterwards. */
export const acted = signal(0);

/** Shows the next state of an action, unless the user has closed its dialog. */
function proceed(from: Asked, to: Asked): void {
  if (asked.value === from) asked.value = to;
}

/** Shows what an action would do, and asks once. */
async function askFor(action: string, unit: string | undefined): Promise<void> {
  const base = { action, unit, command: "", text: "" };
  const begun: Asked = { ...base, state: "trying" };
  asked.value = begun;
  try {
    const { command, status, stdout, stderr } = await api<Outcome>("api/actions", {
      action,
      unit,
      dryRun: true,
    });
    const state = status === 0 ? "asking" : "failed";
    proceed(begun, { ...base, command, text: stdout + stderr, shown: stdout, state });
  } catch (error) {
    proceed(begun, { ...base, text: messageOf(error), state: "failed" });
  }
}

async function carryOut(one: Asked): Promise<void> {
  const begun: Asked = { ...one, state: "running" };
  asked.value = begun;
  const { action, unit, shown } = one;
  try {
    const { status, stdout, stderr } = await api<Outcome>("api/actions", { action, unit, shown });
    const text = stdout + stderr;
    proceed(begun, { ...one, text, state: status === 0 ? "done" : "failed" });
  } catch (error) {
    proceed(begun, { ...one, text: messageOf(error), state: "failed" });
  }
  acted.value++;
}

/**
 * Buttons for what can be done.
 * @param unit with it; undefined: with all of them
 */
export function Actions({ unit }: { readonly unit?: string }) {
  const { actions = [], actionsOnAll = [] } = session.value ?? {};
  return <Buttons unit={unit} actions={unit === undefined ? actionsOnAll : actions} />;
}

interface ButtonsProps {
  readonly unit: string | undefined;
  readonly actions: readonly string[];
}

function Buttons({ unit, actions }: ButtonsProps) {
  if (actions.length === 0 || unit === "") return null;
  return (
    <div class="actions" role="group" aria-label={`Actions on ${unit ?? ALL}`}>
      {actions.map((action) => (
        <button key={action} type="button" onClick={() => void askFor(action, unit)}>
          {unit === undefined ? `${action} to ${ALL}` : action}
        </button>
      ))}
    </div>
  );
}

/** In place of the name of a unit. */
const ALL = "all units";

const STATES = {
  trying: "reading the dry run",
  asking: "",
  running: "running",
  done: "done",
  failed: "failed",
} as const;

export function ActionDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const one = asked.value;
  const isOpen = one !== undefined;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  if (one === undefined) return null;
  const { action, unit, command, text, state } = one;
  return (
    <dialog ref={dialog} aria-labelledby="action-title" onClose={() => (asked.value = undefined)}>
      <h2 id="action-title">
        {action} {unit ?? `to ${ALL}`}?
      </h2>
      {command !== "" && (
        <p>
          The same as <code>{command}</code>
        </p>
      )}
      {text !== "" && (
        <pre tabIndex={0} aria-label="Output">
          {text}
        </pre>
      )}
      <p role="status">{STATES[state]}</p>
      <div class="actions">
        {state === "asking" && (
          <button type="button" class="primary" onClick={() => void carryOut(one)}>
            {action}
          </button>
        )}
        <button type="button" onClick={() => dialog.current?.close()}>
          {state === "trying" || state === "asking" ? "Cancel" : "Close"}
        </button>
      </div>
    </dialog>
  );
}
