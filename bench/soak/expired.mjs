/**
 * The credentials of a rank over NATS expire, and are renewed after some time (trap-F8). All that time the servers refuse the
 * rank. It may neither end nor take more memory, and has to follow again without a restart, with each event that it missed.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nkeys } from "@nats-io/transport-node";
import { startNats } from "../nats/servers.mjs";
import { connectTo, startBroker } from "./brokers.mjs";

/** By then the rank has joined. */
const VALID_SECONDS = 15;

/** What a broker may grow by while it is refused, in MiB: what waits to be collected is a part of it. */
const MOST_GROWTH_MIB = 100;

/** By then a rank with renewed credentials is there again. */
const BACK_MS = 20_000;
const POLL_MS = 50;
const EVENT_EVERY_MS = 1000;

/** A rank may log so many lines, and one each 30 s. */
const FEW_LINES = 30;

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token as `nsc` makes it. */
function token(by, of, { exp, ...nats }) {
  const times = { jti: "x", iat: 0, ...(exp !== undefined && { exp }) };
  const claims = { ...times, iss: by.getPublicKey(), name: "x", sub: of.getPublicKey(), nats };
  const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(claims)}`;
  return `${text}.${Buffer.from(by.sign(Buffer.from(text))).toString("base64url")}`;
}

/** A server that trusts an operator, and what writes credentials of a user of its account. */
async function trustingServer() {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const none = { subs: -1, data: -1, payload: -1 };
  const limits = { ...none, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const ofAccount = token(operator, account, { type: "account", version: 2, limits });
  const server = await startNats({
    lines: [
      `operator: "${token(operator, operator, { type: "operator", version: 2 })}"`,
      "resolver: MEMORY",
      `resolver_preload: { ${account.getPublicKey()}: "${ofAccount}" }`,
    ],
  });
  const seed = Buffer.from(user.getSeed()).toString();
  const write = (path, exp) => {
    const ofUser = token(account, user, { exp, type: "user", version: 2, ...none });
    const parts = [
      ["NATS USER JWT", ofUser],
      ["USER NKEY SEED", seed],
    ];
    const text = parts.map(([name, value]) => `-----BEGIN ${name}-----\n${value}\n------END ${name}------\n`);
    writeFileSync(path, text.join("\n"), { mode: 0o600 });
  };
  return { server, write };
}

/**
 * @param seconds how long the credentials are expired
 * @param say called with lines for the user
 * @param signal ends it
 * @returns a sentence for each thing that is wrong
 */
export async function soakExpired(seconds, say, signal) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-expired-"));
  const { server, write } = await trustingServer();
  const creds = (rank) => join(dir, `creds-${rank}`);
  const expiresAtSeconds = Math.floor(Date.now() / 1000) + VALID_SECONDS;
  write(creds(0));
  write(creds(1), expiresAtSeconds);
  const brokers = [0, 1].map((rank) => startRank(dir, server.url, rank, creds(rank)));
  const lines = linesOf(brokers[1]);
  brokers[0].stderr.resume();
  try {
    const handles = await Promise.all([0, 1].map((rank) => connectTo(dir, rank, signal)));
    const renew = () => write(creds(1));
    const { pid } = brokers[1];
    const seen = { lines, ...(await expire({ handles, pid, seconds, expiresAtSeconds, renew, signal })) };
    say(`refused for ${seconds} s, and there again ${(seen.backMs / 1000).toFixed(1)} s after the renewal`);
    const [first, last] = [seen.firstMib, seen.lastMib].map((mib) => mib.toFixed(0));
    say(`${seen.published.length} events; ${lines.length} lines of the log; ${first} to ${last} MiB`);
    return brokenBounds(seen, seconds);
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  } finally {
    for (const broker of brokers) broker.kill("SIGKILL");
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}

function startRank(dir, url, rank, creds) {
  const times = ["overlay.lost-after=100h", "overlay.leader-timeout=100h"].flatMap((text) => ["-S", text]);
  const place = [`--overlay=${url}`, "--instance=soak", `--rank=${rank}`, "--size=2", `--creds=${creds}`];
  return startBroker(dir, rank, { flags: [...place, ...times, "-S", "log-stderr-level=6"], stderr: "pipe" });
}

/** Has rank 0 publish while the other one is refused, and renews that one's credentials. */
async function expire({ handles: [zero, one], pid, seconds, expiresAtSeconds, renew, signal }) {
  const heard = [];
  await one.subscribe("load.*", ({ seq }) => heard.push(seq));
  const descriptors = descriptorsOf(pid);
  const published = [];
  const publish = async () => published.push(await zero.publish("load.tick"));
  await publish();
  await sleep(expiresAtSeconds * 1000 - Date.now(), undefined, { signal });
  const memory = await refused({ seconds, signal, publish, pid });
  renew();
  const renewedAtMs = performance.now();
  const answers = async () => {
    try {
      return (await one.rpc("broker.ping", true, { rank: 0 })) === true;
    } catch {
      return false;
    }
  };
  const isBack = await until(answers, signal);
  const backMs = performance.now() - renewedAtMs;
  await publish();
  await until(() => heard.length >= published.length, signal);
  // The last attempts to connect may leave theirs a little later.
  await until(() => descriptorsOf(pid) <= descriptors, signal);
  return { heard, published, isBack, backMs, grown: descriptorsOf(pid) - descriptors, ...memory };
}

function brokenBounds(seen, seconds) {
  const { lines, heard, published, isBack, grown, firstMib, lastMib } = seen;
  const says = (isWrong, text) => (isWrong ? [text] : []);
  const isWhole = JSON.stringify(heard) === JSON.stringify(published);
  const growth = lastMib - firstMib;
  return [
    ...says(!lines.some((line) => line.includes("refused")), "the rank was never refused"),
    ...says(!isBack, `the rank was not there ${BACK_MS / 1000} s after the renewal`),
    ...says(!isWhole, `the rank received ${heard.length} of ${published.length} events, or in another order`),
    ...says(growth > MOST_GROWTH_MIB, `the rank grew by ${growth.toFixed(0)} MiB`),
    ...says(grown > 0, `the rank has ${grown} more descriptors`),
    ...says(lines.length > FEW_LINES + seconds / 30, `the rank has logged ${lines.length} lines`),
  ];
}

function linesOf(broker) {
  const lines = [];
  broker.stderr.setEncoding("utf8").on("data", (text) => lines.push(...text.trimEnd().split("\n")));
  return lines;
}

/** Publishes for so long. @returns the MiB of a process after the first tenth of it, and at the end */
async function refused({ seconds, signal, publish, pid }) {
  const beganMs = performance.now();
  let firstMib;
  for (let atMs = 0; atMs < seconds * 1000; atMs = performance.now() - beganMs) {
    await publish();
    if (atMs >= seconds * 100) firstMib ??= mibOf(pid);
    await sleep(EVENT_EVERY_MS, undefined, { signal });
  }
  const lastMib = mibOf(pid);
  return { firstMib: firstMib ?? lastMib, lastMib };
}

/** Whether something becomes true in the time of a rank that comes back. */
async function until(isTrue, signal) {
  for (const deadlineMs = performance.now() + BACK_MS; performance.now() < deadlineMs;) {
    signal.throwIfAborted();
    if (await isTrue()) return true;
    await sleep(POLL_MS);
  }
  return false;
}

function descriptorsOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function mibOf(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}
