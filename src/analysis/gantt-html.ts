import type { Gantt, GanttBar } from "./gantt.js";
import { escaped, ganttToSvg } from "./gantt-svg.js";
import { timespan } from "./timespan.js";

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 2rem auto; max-width: 1248px; padding: 0 24px; font: 14px/1.5 ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; color: #1b2733; background: #f3f5f8; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { margin: 0 0 1rem; color: #64748b; }
figure, .card { margin: 0; background: #fff; border: 1px solid #e0e5ec; border-radius: 8px; overflow-x: auto; }
svg { display: block; width: 100%; height: auto; min-width: 760px; }
svg g:hover .name { text-decoration: underline; } svg g:hover .bar { filter: brightness(.88); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; text-align: left; } th { color: #64748b; font-weight: 600; border-bottom: 1px solid #e0e5ec; }
td.n, th.n { text-align: right; } tr:nth-child(even) td { background: #f6f8fb; } tr.critical td:first-child { font-weight: 600; border-left: 3px solid #e08a00; }
tr td:first-child { border-left: 3px solid transparent; } .failed { color: #d9534f; }
@media (prefers-color-scheme: dark) {
body { color: #e5eaf0; background: #0c1116; } figure, .card { background: #12181f; border-color: #26303b; }
p, th { color: #93a1b3; } th { border-color: #26303b; } tr:nth-child(even) td { background: #171f28; }
}`;

/**
 * A Gantt chart as one HTML page that loads no other file and runs no script. It has the picture, and a table of the
 * units, the slowest first.
 */
export function ganttToHtml(gantt: Gantt, title: string): string {
  const [name = "", rest = ""] = split(title);
  const slowest = [...gantt.bars].sort((a, b) => b.endNs - b.startNs - (a.endNs - a.startNs));
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(name)}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>${escaped(name)}</h1>
<p>${escaped(rest)}</p>
<figure>
${ganttToSvg(gantt, title)}</figure>
<h2>Slowest first</h2>
<div class="card"><table>
<thead><tr><th>Unit</th><th>Action</th><th class="n">Start</th><th class="n">Took</th><th class="n">Slack</th><th>Waited for</th></tr></thead>
<tbody>
${slowest.map(row).join("\n")}
</tbody>
</table></div>
</body>
</html>
`;
}

function row({
  unit,
  action,
  ended,
  readyNs,
  startNs,
  endNs,
  slackNs,
  critical,
  waitedFor,
}: GanttBar): string {
  const wait =
    waitedFor === null
      ? ""
      : waitedFor.kind === "slot"
        ? `a slot, ${timespan(startNs - readyNs)}, held by ${waitedFor.unit}`
        : waitedFor.unit;
  const failed = ended === "end" ? "" : ` <span class="failed">${ended}</span>`;
  const cells = [
    `<td>${escaped(unit)}</td><td>${action}${failed}</td>`,
    ...[startNs, endNs - startNs, slackNs].map((timeNs) => `<td class="n">${timespan(timeNs)}</td>`),
    `<td>${escaped(wait)}</td>`,
  ];
  return `<tr${critical ? ' class="critical"' : ""}>${cells.join("")}</tr>`;
}

/** The run, its time and its outcome. */
function split(title: string): string[] {
  const at = title.indexOf(": ");
  return at < 0 ? [title] : [title.slice(0, at), title.slice(at + 2)];
}
