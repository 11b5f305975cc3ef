import { render } from "preact";
import { App } from "./app.js";
import { Model } from "./model.js";
import { EventStream } from "./stream.js";
import {
  api,
  ApiError,
  connection,
  keepToken,
  type Session,
  session,
  takeTokenOfAddress,
  tokenOfTabs,
  tokenProblem,
} from "./session.js";
import { messageOf } from "./texts.js";

const model = new Model();
let stream: EventStream | undefined;

/** Asks what the page is for; without the token for that: other tabs first, then the user. */
async function open(isFirst: boolean): Promise<void> {
  try {
    session.value = await api<Session>("api/session");
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) {
      connection.value = "lost";
      setTimeout(() => void open(isFirst), 1000);
      return;
    }
    const token = isFirst ? await tokenOfTabs() : undefined;
    if (token !== undefined) {
      keepToken(token);
      await open(false);
      return;
    }
    tokenProblem.value = isFirst ? "" : messageOf(error);
    connection.value = "token";
    return;
  }
  connection.value = "live";
  stream ??= new EventStream(model, () => (connection.value = "token"));
  stream.start();
}

function enter(token: string): void {
  keepToken(token);
  void open(false);
}

takeTokenOfAddress();
const root = document.getElementById("page");
if (root !== null) render(<App model={model} onToken={enter} />, root);
void open(true);
