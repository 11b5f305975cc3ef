import { type Model, redrawnWith, stateOf } from "./model.js";
import { go, place } from "./place.js";
import { session } from "./session.js";
import { day, STATE_TEXTS } from "./texts.js";

export function RanksView({ model }: { readonly model: Model }) {
  redrawnWith(model);
  const { unit } = place.value;
  const { ranks } = model;
  if (session.value?.mode === "offline") return <p>No instance runs, so the table has no ranks.</p>;
  if (ranks === null || ranks === undefined) return <p>Asking rank 0.</p>;
  return (
    <>
      <h2>
        {ranks.size} {ranks.size === 1 ? "rank" : "ranks"}, {ranks.state}
      </h2>
      <div class="table" tabIndex={0} role="group" aria-label="Table of ranks">
        <table aria-label="Ranks">
          <thead>
            <tr>
              <th scope="col">Rank</th>
              <th scope="col">State</th>
              <th scope="col">Since</th>
              <th scope="col">Host</th>
              <th scope="col">Modules</th>
              <th scope="col">{unit === "" ? "Unit" : unit}</th>
            </tr>
          </thead>
          <tbody>
            {ranks.ranks.map(({ rank, state, since, host }) => (
              <tr key={rank} class={state}>
                <td>
                  <button type="button" onClick={() => go({ view: "modules", rank })}>
                    {rank}
                  </button>
                </td>
                <td>{state}</td>
                <td>{day(since)}</td>
                <td>{host ?? "-"}</td>
                <td>{model.byRank.get(rank)?.modules.size ?? "-"}</td>
                <td>{unit === "" ? "-" : unitText(model, unit, rank)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function unitText(model: Model, unit: string, rank: number): string {
  const state = stateOf(model, unit, rank);
  return state === undefined ? "-" : STATE_TEXTS[state].join(" ");
}
