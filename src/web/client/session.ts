import { signal } from "@preact/signals";

/** The kind of page and its rights, from `api/session`. */
export interface Session {
  readonly mode: "live" | "offline";
  readonly readOnly: boolean;
  readonly version: string;
  readonly size: number;
  readonly rank: number;
  readonly actions: readonly string[];
  /** The actions on all units at once. */
  readonly actionsOnAll: readonly string[];
}

/** The state of the page's connection to its server. */
export type Connection = "starting" | "token" | "live" | "lost";

export const connection = signal<Connection>("starting");
export const session = signal<Session | undefined>(undefined);
/** Why the page requests the token. */
export const tokenProblem = signal("");

const KEY = "sluice-token";

/** The base path, which all tabs of this page share. */
const base = location.pathname;

/** The channel between the tabs of a browser. */
export const channel = new BroadcastChannel(`sluice:${base}`);

export type TabMessage =
  | { readonly type: "token?" }
  | { readonly type: "token"; readonly token: string }
  | { readonly type: "hello" }
  | { readonly type: "event"; readonly id: string; readonly name: string; readonly data: string };

export function post(message: TabMessage): void {
  channel.postMessage(message);
}

let token = sessionStorage.getItem(KEY) ?? "";

export function keepToken(text: string): void {
  token = text;
  sessionStorage.setItem(KEY, text);
}

export function knownToken(): string {
  return token;
}

/** Removes the token from the address, which the browser's history would keep. */
export function takeTokenOfAddress(): void {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  keepToken(given);
  history.replaceState(null, "", location.pathname + location.search);
}

/** Requests the token from the other tabs, and takes the first answer. */
export function tokenOfTabs(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const answered = ({ data }: MessageEvent<TabMessage>): void => {
      if (data.type === "token") done(data.token);
    };
    const timer = setTimeout(() => done(undefined), 400);
    const done = (text: string | undefined): void => {
      clearTimeout(timer);
      channel.removeEventListener("message", answered);
      resolve(text);
    };
    channel.addEventListener("message", answered);
    post({ type: "token?" });
  });
}

/** An error that the server answered with. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== "") headers.set("Authorization", `Bearer ${token}`);
  return fetch(base + path, { ...init, headers, cache: "no-store" });
}

/** @throws ApiError with the message of the server */
export async function api<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, {
    ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    ...(signal !== undefined && { signal }),
  });
  const value = (await response.json()) as T & { readonly error?: string };
  if (!response.ok) throw new ApiError(response.status, value.error ?? response.statusText);
  return value;
}
