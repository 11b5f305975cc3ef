import { Command } from "commander";
import { fields } from "../messages/index.js";
import { printJson, printLine } from "./terminal/output.js";
import { type UriOption, withInstance, withUri } from "./session.js";

export function command(): Command {
  return withUri(new Command("uptime"))
    .option("--json", "one JSON object: {startTime, seconds, size, online}, times in seconds since 1970")
    .addHelpText("after", "\nExample:\n  sluice uptime")
    .action((options: UriOption & { readonly json?: boolean }) =>
      withInstance(options, async (handle) => {
        const startTime = Number(await handle.attr("broker.starttime"));
        const seconds = Math.max(0, Date.now() / 1000 - startTime);
        const { ranks } = fields(await handle.rpc("overlay.status", undefined, { rank: 0 }), {
          ranks: "array",
        });
        const online = ranks.filter((item) => fields(item, { state: "string" }).state === "online").length;
        if (options.json) printJson({ startTime, seconds, size: handle.size, online });
        else printLine(`up ${durationText(seconds)}, ${online} of ${handle.size} ranks online`);
      }),
    );
}

/** The two largest units of a duration, such as `3 d 4 h`. */
function durationText(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}
