import { FONT_FAMILY } from "./font.js";

/**
 * Colours that people with any kind of colour vision can distinguish: blue and orange, and never a colour alone.
 * Shapes and line styles show the same.
 */
interface Palette {
  readonly paper: string;
  readonly ink: string;
  readonly muted: string;
  readonly moduleFill: string;
  readonly moduleLine: string;
  readonly taskFill: string;
  readonly taskLine: string;
  readonly foldFill: string;
  readonly foldLine: string;
  readonly outFill: string;
  readonly outLine: string;
  readonly order: string;
  readonly requires: string;
  readonly needs: string;
}

const LIGHT: Palette = {
  paper: "#ffffff",
  ink: "#1b2430",
  muted: "#596675",
  moduleFill: "#e8f1fb",
  moduleLine: "#3f7cb8",
  taskFill: "#fff1d6",
  taskLine: "#b87a14",
  foldFill: "#eef0f3",
  foldLine: "#66717e",
  outFill: "#f7f8f9",
  outLine: "#b3bcc6",
  order: "#3c4753",
  requires: "#0b6bc2",
  needs: "#cc4a06",
};

const DARK: Palette = {
  paper: "#12181f",
  ink: "#e9eef4",
  muted: "#a3b0be",
  moduleFill: "#183049",
  moduleLine: "#5d9ddb",
  taskFill: "#3b2c10",
  taskLine: "#dba53f",
  foldFill: "#232b34",
  foldLine: "#8d99a6",
  outFill: "#181f27",
  outLine: "#4f5b67",
  order: "#c3ccd6",
  requires: "#6db5ff",
  needs: "#ff9a57",
};

/** The colours of a picture: for light paper only, or those of the viewer. */
export type Theme = "light" | "viewer";

/**
 * The style sheet of a picture. Names begin with `sluice-`, because in a page of HTML the style sheet applies to the
 * whole page.
 */
export function styleSheet(theme: Theme): string {
  const rules = `.sluice-picture text{font-family:"${FONT_FAMILY}",Verdana,sans-serif;font-size:11px;font-kerning:none}
.sluice-picture .name{font-size:13px;font-weight:bold}
.sluice-picture .heading{font-size:15px;font-weight:bold}
.sluice-picture path{fill:none;stroke-width:1.4px}
.sluice-picture rect{stroke-width:1.4px}
.sluice-picture .centre rect{stroke-width:3px}
.sluice-picture .requires path{stroke-dasharray:6 4}
.sluice-picture .needs path{stroke-width:1.8px;stroke-linecap:round;stroke-dasharray:.1 4.5}
.sluice-picture .faint{opacity:.5}
.sluice-picture .left-out rect{stroke-dasharray:3 3}
.sluice-picture marker path{stroke:none}
`;
  const colours = colourRules(LIGHT);
  return theme === "light"
    ? rules + colours
    : `${rules}${colours}@media (prefers-color-scheme:dark){\n${colourRules(DARK)}}\n`;
}

function colourRules(palette: Palette): string {
  const rules: readonly (readonly [selector: string, style: string])[] = [
    [".paper", `fill:${palette.paper};stroke:none`],
    ["text", `fill:${palette.ink}`],
    [".others", `fill:${palette.muted}`],
    [".reason", `fill:${palette.muted}`],
    [".module rect", `fill:${palette.moduleFill};stroke:${palette.moduleLine}`],
    [".task rect", `fill:${palette.taskFill};stroke:${palette.taskLine}`],
    [".fold rect", `fill:${palette.foldFill};stroke:${palette.foldLine}`],
    [".left-out rect", `fill:${palette.outFill};stroke:${palette.outLine}`],
    [".left-out text", `fill:${palette.muted}`],
    [".order path", `stroke:${palette.order}`],
    [".requires path", `stroke:${palette.requires}`],
    [".needs path", `stroke:${palette.needs}`],
    [".order-head path", `fill:${palette.order}`],
    [".requires-head path", `fill:${palette.requires}`],
    [".needs-head path", `fill:${palette.needs}`],
  ];
  return rules.map(([selector, style]) => `.sluice-picture ${selector}{${style}}\n`).join("");
}
