/**
 * The lives that a module can have, each from a load until no part of it is left. Each checks its result,
 * so that a cycle without its effect does not count.
 */
import { once } from "node:events";

/** @throws Error unless the request fails with this number */
async function refused(request, errnum, what) {
  const outcome = await request.then(
    () => "an answer",
    (error) => error.errnum ?? error,
  );
  if (outcome !== errnum) throw new Error(`${what}: ${outcome} instead of errnum ${errnum}`);
}

async function asked(handle, name) {
  const answer = await handle.rpc(`${name}.echo`, { name });
  if (answer?.name !== name) throw new Error(`${name} answered ${JSON.stringify(answer)}`);
}

const ENODEV = 19;
const ECONNRESET = 104;
const ENOSYS = 38;

/** How long requests to a module that is being reloaded are held. */
const HOLD_MS = 10_000;

/** Kinds of cycles, with their parts in a hundred. A restart takes a second, the backoff of the policy. */
const CYCLES = [
  {
    cycle: "load, remove",
    part: 50,
    run: async ({ handle, load, name }) => {
      await load();
      await asked(handle, name);
      await handle.rpc("module.remove", { name });
    },
  },
  {
    cycle: "reload",
    part: 20,
    run: async ({ handle, load, name }) => {
      await load();
      const startedAtMs = performance.now();
      const reload = handle.rpc("module.reload", { name });
      // Held while it is reloaded, for ten seconds at most: on a machine that is slower than that they are refused.
      const heldRequests = Array.from({ length: 10 }, () =>
        asked(handle, name).catch((error) => {
          if (error.errnum !== ENOSYS || performance.now() - startedAtMs < HOLD_MS) throw error;
        }),
      );
      await Promise.all([reload, ...heldRequests]);
      await handle.rpc("module.remove", { name });
    },
  },
  {
    cycle: "failing load",
    part: 18,
    run: async ({ handle, load, name }) => {
      await refused(load({ args: ["fail"] }), ENODEV, `the load of ${name}`);
      await refused(handle.rpc(`${name}.echo`), ENOSYS, `${name} after its load failed`);
    },
  },
  {
    cycle: "cancel",
    part: 10,
    run: async ({ handle, load, name, sharesThread }) => {
      await load();
      const pending = refused(handle.rpc(`${name}.never`), ECONNRESET, `a request to ${name}, removed`);
      // To cancel a module of a thread group would end the whole group.
      await Promise.all([pending, handle.rpc("module.remove", { name, cancel: sharesThread !== true })]);
    },
  },
  {
    cycle: "restart by policy",
    part: 2,
    run: async ({ handle, load, name, restarts, signal }) => {
      await load({ onFailure: "restart" });
      const again = once(restarts, name, { signal });
      const pending = refused(handle.rpc(`${name}.never`), ECONNRESET, `a request to ${name}, failed`);
      handle.notify(`${name}.throw`);
      await pending;
      await again;
      await asked(handle, name);
      await handle.rpc("module.remove", { name });
    },
  },
];

/** The lives of an ordinary program, which hides from its group and leaves a child of its own behind. */
const PROGRAM_CYCLES = [
  {
    cycle: "load, remove",
    part: 60,
    run: async ({ handle, load, name }) => {
      await load();
      await pinged(handle, name);
      await handle.rpc("module.remove", { name });
    },
  },
  {
    cycle: "reload",
    part: 15,
    run: async ({ handle, load, name }) => {
      await load();
      await Promise.all([handle.rpc("module.reload", { name }), pinged(handle, name)]);
      await handle.rpc("module.remove", { name });
    },
  },
  {
    cycle: "failing load",
    part: 10,
    run: async ({ handle, load, name }) => {
      const failing = load({
        command: "(setsid sleep 1000 &) ; exit 3",
        ready: { file: "none", intervalMs: 10 },
      });
      await refused(failing, ECONNRESET, `the load of ${name}`);
      await refused(handle.rpc(`${name}.status`), ENOSYS, `${name} after its load failed`);
    },
  },
  {
    cycle: "cancel",
    part: 10,
    run: async ({ handle, load, name }) => {
      await load();
      await handle.rpc("module.remove", { name, cancel: true });
    },
  },
  {
    cycle: "restart by policy",
    part: 5,
    run: async ({ handle, load, name, restarts, signal }) => {
      await load({ onFailure: "restart", restart: { delayMs: 10 } });
      const again = once(restarts, name, { signal });
      const { pid } = await handle.rpc(`${name}.status`);
      process.kill(pid, "SIGKILL");
      await again;
      await pinged(handle, name);
      await handle.rpc("module.remove", { name });
    },
  },
];

/** The status of an ordinary program, in place of its own methods. */
async function pinged(handle, name) {
  const answer = await handle.rpc(`${name}.ping`, { name });
  if (answer?.name !== name) throw new Error(`${name} answered ${JSON.stringify(answer)}`);
}

/** The item whose share of the parts a number from 0 to below 1 falls into. */
function chosen(items, number) {
  let rest = number * items.reduce((sum, { part }) => sum + part, 0);
  return items.find(({ part }) => (rest -= part) < 0) ?? items[0];
}

/** The loader and the life of each cycle, decided by its number alone: every run does the same. */
export function cycleOf(number, loaders) {
  const loader = chosen(loaders, fraction(number * 2 + 1));
  const cycles = loader.isOrdinary === true ? PROGRAM_CYCLES : CYCLES;
  return { loader, cycle: chosen(cycles, fraction(number * 2 + 2)) };
}

/** A number from 0 to below 1 (the mixing of mulberry32). */
function fraction(number) {
  let mixed = Math.imul(number, 0x6d2b79f5) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
