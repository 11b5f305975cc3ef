import { signal } from "@preact/signals";
import { ActionDialog } from "./action-dialog.js";
import type { Model } from "./model.js";
import { ModulesView } from "./modules-view.js";
import { go, place, VIEWS, type View } from "./place.js";
import { PlanView } from "./plan-view.js";
import { RanksView } from "./ranks-view.js";
import { connection, session, tokenProblem } from "./session.js";
import { TimelineView } from "./timeline-view.js";

const TITLES: Readonly<Record<View, string>> = {
  plan: "Plan",
  modules: "Modules",
  timeline: "Timeline",
  ranks: "Ranks",
};

const CONNECTIONS = {
  starting: "connecting",
  token: "needs its token",
  live: "live",
  lost: "the server cannot be reached; trying again",
} as const;

interface AppProps {
  readonly model: Model;
  readonly onToken: (token: string) => void;
}

export function App({ model, onToken }: AppProps) {
  const { view } = place.value;
  const isOffline = session.value?.mode === "offline";
  return (
    <>
      <header>
        <h1>Sluice</h1>
        <nav aria-label="Views">
          {VIEWS.map((one) => (
            <a
              key={one}
              href={`?view=${one}`}
              aria-current={one === view ? "page" : undefined}
              onClick={(event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                go({ view: one });
              }}
            >
              {TITLES[one]}
            </a>
          ))}
        </nav>
        <p role="status" class={`connection ${connection.value}`}>
          {isOffline && connection.value === "live" ? "offline: no instance" : CONNECTIONS[connection.value]}
        </p>
      </header>
      {connection.value === "token" ? (
        <TokenForm onToken={onToken} />
      ) : (
        <main>{session.value === undefined ? <p>Loading.</p> : <ViewOf view={view} model={model} />}</main>
      )}
      <ActionDialog />
    </>
  );
}

function ViewOf({ view, model }: { readonly view: View; readonly model: Model }) {
  switch (view) {
    case "plan":
      return <PlanView model={model} />;
    case "modules":
      return <ModulesView model={model} />;
    case "timeline":
      return <TimelineView model={model} />;
    case "ranks":
      return <RanksView model={model} />;
  }
}

const typed = signal("");

function TokenForm({ onToken }: Pick<AppProps, "onToken">) {
  return (
    <main>
      <form
        class="token"
        onSubmit={(event) => {
          event.preventDefault();
          onToken(typed.value.trim());
        }}
      >
        <label for="token">Token of this server; the address that it printed ends with it</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          value={typed.value}
          onInput={({ currentTarget }) => (typed.value = currentTarget.value)}
        />
        <button type="submit">Open</button>
        <p role="alert">{tokenProblem.value}</p>
      </form>
    </main>
  );
}
