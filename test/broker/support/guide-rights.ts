/** The rights and the server configuration of docs/hosts.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const GUIDE = readFileSync(join(import.meta.dirname, "../../../docs/hosts.md"), "utf8");

/** The lists of subjects in a text of the guide. */
export function rightsIn(text: string): Rights {
  const list = (name: string): string[] => {
    const [, subjects = ""] = new RegExp(`\\b${name}:\\s*\\[([^\\]]*)\\]`).exec(text) ?? [];
    return [...subjects.matchAll(/"([^"]+)"/g)].map(([, subject = ""]) => subject);
  };
  return { publish: list("publish"), subscribe: list("subscribe") };
}

/** The blocks of the guide: of rank 1, of the lease, of the store, of a client. */
export const [OF_RANK, OF_LEASE, OF_STORE, OF_CLIENT] = [
  ...GUIDE.matchAll(/^```\n(publish:[^`]*)```$/gm),
].map(([, block = ""]) => rightsIn(block)) as [Rights, Rights, Rights, Rights];

const joined = (...all: readonly Rights[]): Rights => ({
  publish: all.flatMap(({ publish }) => publish),
  subscribe: all.flatMap(({ subscribe }) => subscribe),
});

/** Rank 0 has the rights of its own number, and publishes the events. */
export const ZERO = joined(
  {
    publish: [...OF_RANK.publish.map((subject) => subject.replace(/1$/, "0")), "sluice.site.ev"],
    subscribe: OF_RANK.subscribe.map((subject) => subject.replace(".1.", ".0.")),
  },
  OF_LEASE,
  OF_STORE,
);

function blockWith(line: string): string {
  const blocks = [...GUIDE.matchAll(/^```\n([^`]*)```$/gm)].map(([, block = ""]) => block);
  return blocks.find((block) => block.split("\n").includes(line)) ?? "";
}

/** The whole configuration of one server, and what each of three servers has besides. */
export const SERVER_FILE = blockWith('server_name: "n1"');
export const CLUSTER_BLOCK = blockWith("cluster {");
