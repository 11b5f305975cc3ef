import { copyFileSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const PAGE = "src/web/client";
const FOR_BROWSERS = { bundle: true, minify: true, logLevel: "warning", target: "es2023" };

/** Makes the page: what it is made of goes into one file, so that a browser loads nothing later. */
export async function makePage() {
  const { styleSheet } = await import("../../dist/pictures/theme.js");
  const { GANTT_STYLE } = await import("../../dist/analysis/gantt-svg.js");
  await build({
    ...FOR_BROWSERS,
    entryPoints: [`${PAGE}/main.tsx`],
    outfile: "dist/web/page/app.js",
    format: "esm",
    tsconfig: `${PAGE}/tsconfig.json`,
  });
  const style = `${styleSheet("viewer")}.gantt{${GANTT_STYLE}}${readFileSync(`${PAGE}/style.css`, "utf8")}`;
  await build({
    ...FOR_BROWSERS,
    stdin: { contents: style, loader: "css" },
    outfile: "dist/web/page/style.css",
    target: "chrome110",
  });
  for (const file of ["index.html", "icon.svg"]) copyFileSync(`${PAGE}/${file}`, `dist/web/page/${file}`);
}
