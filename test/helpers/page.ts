import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

/** Browsers are slow where the machine is busy. */
export const PAGE_TIMEOUT_MS = 120_000;

/** Debian's browser. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}

/** Profile of its own, and what its pages did that they must not do. */
export interface Visitor {
  readonly context: BrowserContext;
  readonly faults: string[];
  /** Opens a tab as the address that is printed does. */
  readonly open: (query?: string) => Promise<Page>;
}

/**
 * Visits a server of a page.
 * @param place its address, and its token
 * @param status what the page says of its connection once it is there
 */
export async function visit(
  browser: Browser,
  { url, token }: { readonly url: string; readonly token: string },
  status = "live",
): Promise<Visitor> {
  const faults: string[] = [];
  const context = await browser.newContext();
  context.setDefaultTimeout(PAGE_TIMEOUT_MS);
  await context.exposeFunction("hit", () => faults.push("hostile text was run"));
  const open = async (query = ""): Promise<Page> => {
    const tab = await context.newPage();
    tab.on("pageerror", (error) => faults.push(String(error)));
    await tab.goto(`${url}${query}#token=${token}`);
    await tab.getByText(status, { exact: true }).waitFor();
    return tab;
  };
  return { context, faults, open };
}

/** Nothing that axe finds wrong. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(
    "axe.run().then(({violations}) => violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 200))]))",
  );
  expect(found).toEqual([]);
}
