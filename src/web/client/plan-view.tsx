import { signal } from "@preact/signals";
import { acted, Actions } from "./action-dialog.js";
import { type LiveState, type Model, redrawnWith, stateOf } from "./model.js";
import { PictureBox } from "./picture-box.js";
import { go, place } from "./place.js";
import { session } from "./session.js";
import { STATE_TEXTS } from "./texts.js";
import { useAnswer } from "./use-answer.js";

interface PlanAnswer {
  readonly svg: string;
  readonly picture: {
    readonly nodes: readonly { readonly kind?: string; readonly unit?: string; readonly name?: string }[];
  };
}

const searched = signal("");
/** Names that are shown for a search. */
const MOST_FOUND = 20;

export function PlanView({ model }: { readonly model: Model }) {
  const { value: plan, problem } = useAnswer<PlanAnswer>("api/plan", acted.value);
  const { unit } = place.value;
  const rank = place.value.rank ?? session.value?.rank ?? 0;
  const version = redrawnWith(model);
  if (problem !== "") return <pre role="alert">{problem}</pre>;
  if (plan === undefined) return <p>Drawing the plan.</p>;
  const names = unitsIn(plan.svg);
  const text = searched.value.toLowerCase();
  const found = text === "" ? [] : names.filter((name) => name.toLowerCase().includes(text));
  return (
    <div class="columns">
      <section aria-label="Plan">
        <h2 class="hidden">Plan</h2>
        <div class="search">
          <label for="search">Search a unit</label>
          <input
            id="search"
            type="search"
            autocomplete="off"
            value={searched.value}
            onInput={({ currentTarget }) => (searched.value = currentTarget.value)}
          />
          <ul aria-label="Found units">
            {found.slice(0, MOST_FOUND).map((name) => (
              <li key={name}>
                <button type="button" aria-pressed={name === unit} onClick={() => go({ unit: name })}>
                  {name}
                </button>
              </li>
            ))}
          </ul>
          {found.length > MOST_FOUND && <p>{found.length - MOST_FOUND} more</p>}
        </div>
        <Actions />
        <PictureBox
          class="plan"
          svg={plan.svg}
          label={`Plan of ${names.length} units`}
          onUnit={(name) => go({ unit: name })}
          drawn={`${version} ${unit} ${rank}`}
          decorate={(picture) => paint(picture, (name) => stateOf(model, name, rank), unit)}
        />
        <p class="legend">
          {Object.entries(STATE_TEXTS).map(([state, [sign, words]]) => (
            <span key={state} class={`state ${state}`}>
              {sign} {words}{" "}
            </span>
          ))}
        </p>
      </section>
      <UnitPanel model={model} unit={unit} rank={rank} />
    </div>
  );
}

interface UnitPanelProps {
  readonly model: Model;
  readonly unit: string;
  readonly rank: number;
}

function UnitPanel({ model, unit, rank }: UnitPanelProps) {
  redrawnWith(model);
  const path = unit === "" ? undefined : `api/explain?unit=${encodeURIComponent(unit)}`;
  const { value, problem } = useAnswer<{ readonly unit: string; readonly text: string }>(path, acted.value);
  if (unit === "") return <aside aria-label="Unit">Choose a unit: by its box, or by a search.</aside>;
  const state = stateOf(model, unit, rank);
  const failure = model.byRank.get(rank)?.failed.find(({ name }) => name === unit);
  return (
    <aside aria-label="Unit">
      <h2>{unit}</h2>
      <p>{state === undefined ? "not loaded" : STATE_TEXTS[state].join(" ")}</p>
      {failure !== undefined && <p role="alert">{failure.message}</p>}
      <Actions unit={unit} />
      <h3>Why it is in the plan, or not</h3>
      <pre tabIndex={0} aria-label={`Explanation of ${unit}`}>
        {problem !== "" ? problem : value?.unit === unit ? value.text : "asking"}
      </pre>
    </aside>
  );
}

function unitsIn(svg: string): string[] {
  const root = new DOMParser().parseFromString(svg, "image/svg+xml");
  const units = [...root.querySelectorAll("[data-unit]")].map((node) => node.getAttribute("data-unit") ?? "");
  return [...new Set(units)];
}

/** Marks boxes with the state of their units, by a colour and by a sign. */
function paint(
  picture: SVGSVGElement,
  stateFor: (unit: string) => LiveState | undefined,
  chosen: string,
): void {
  for (const card of picture.querySelectorAll("g.card[data-unit]")) {
    const unit = card.getAttribute("data-unit") ?? "";
    const isLeftOut = card.classList.contains("left-out");
    const state = stateFor(unit) ?? (isLeftOut ? "left-out" : undefined);
    if (state === undefined) card.removeAttribute("data-state");
    else card.setAttribute("data-state", state);
    card.classList.toggle("chosen", unit === chosen);
    const sign = card.querySelector("text.live-sign") ?? signOf(card);
    sign.textContent = state === undefined ? "" : STATE_TEXTS[state][0];
  }
}

function signOf(card: Element): Element {
  const sign = document.createElementNS("http://www.w3.org/2000/svg", "text");
  const box = card.querySelector("rect");
  const [x = 0, y = 0, width = 0] = ["x", "y", "width"].map((name) => Number(box?.getAttribute(name)));
  sign.setAttribute("class", "live-sign");
  sign.setAttribute("x", String(x + width - 12));
  sign.setAttribute("y", String(y + 14));
  card.append(sign);
  return sign;
}
