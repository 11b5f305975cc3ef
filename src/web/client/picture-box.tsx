import { useEffect, useRef } from "preact/hooks";

/** What a box shows of a picture: a rectangle of it. */
interface Window {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface PictureBoxProps {
  /** A document that the server has drawn. */
  readonly svg: string;
  readonly label: string;
  /** Whose nodes have `data-unit`. */
  readonly onUnit: (unit: string) => void;
  /** Called with the picture when it is there, and again when `drawn` changes. */
  readonly decorate: (picture: SVGSVGElement) => void;
  readonly drawn: unknown;
  readonly class: string;
}

const ZOOM = 1.25;
/** Of what is seen. */
const STEP = 0.15;

/** A picture that can be moved and zoomed by mouse, touch and keys. */
export function PictureBox({ svg, label, onUnit, decorate, drawn, class: name }: PictureBoxProps) {
  const box = useRef<HTMLDivElement>(null);
  const picture = useRef<SVGSVGElement | null>(null);
  const whole = useRef<Window>({ x: 0, y: 0, width: 1, height: 1 });
  const seen = useRef<Window>(whole.current);
  const show = (next: Window): void => {
    seen.current = next;
    picture.current?.setAttribute("viewBox", `${next.x} ${next.y} ${next.width} ${next.height}`);
  };
  useEffect(() => {
    const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
    if (!(root instanceof SVGSVGElement) || box.current === null) return;
    const own = document.importNode(root, true);
    // The page has the style already; one in the picture is not allowed.
    for (const style of own.querySelectorAll("style")) style.remove();
    const { x, y, width, height } = own.viewBox.baseVal;
    whole.current = { x, y, width, height };
    own.removeAttribute("width");
    own.removeAttribute("height");
    own.setAttribute("role", "img");
    own.setAttribute("aria-label", label);
    picture.current = own;
    box.current.replaceChildren(own);
    show(whole.current);
  }, [svg]);
  useEffect(() => {
    if (picture.current !== null) decorate(picture.current);
  }, [svg, drawn]);
  const move = (dx: number, dy: number): void => {
    const { x, y, width, height } = seen.current;
    show({ x: x + dx * width, y: y + dy * height, width, height });
  };
  const zoom = (factor: number): void => {
    const { x, y, width, height } = seen.current;
    const [w, h] = [width / factor, height / factor];
    show({ x: x + (width - w) / 2, y: y + (height - h) / 2, width: w, height: h });
  };
  const fit = (): void => show(whole.current);
  const keys: Readonly<Record<string, () => void>> = {
    "+": () => zoom(ZOOM),
    "=": () => zoom(ZOOM),
    "-": () => zoom(1 / ZOOM),
    "0": fit,
    ArrowLeft: () => move(-STEP, 0),
    ArrowRight: () => move(STEP, 0),
    ArrowUp: () => move(0, -STEP),
    ArrowDown: () => move(0, STEP),
  };
  const drag = useRef<{ readonly x: number; readonly y: number; hasMoved: boolean } | null>(null);
  return (
    <div class="picture">
      <div class="actions" role="group" aria-label="Picture">
        <button type="button" aria-label="Zoom in" onClick={() => zoom(ZOOM)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(1 / ZOOM)}>
          −
        </button>
        <button type="button" onClick={fit}>
          Fit
        </button>
      </div>
      <div
        ref={box}
        class={`canvas ${name}`}
        tabIndex={0}
        role="group"
        aria-label={`${label}; arrow keys move it, + and - zoom`}
        onKeyDown={(event) => {
          const key = keys[event.key];
          if (key === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          key();
        }}
        onWheel={(event) => {
          event.preventDefault();
          zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM);
        }}
        onPointerDown={({ clientX, clientY }) => {
          drag.current = { x: clientX, y: clientY, hasMoved: false };
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (from === null || event.buttons === 0 || box.current === null) return;
          const { clientWidth, clientHeight } = box.current;
          const [dx, dy] = [from.x - event.clientX, from.y - event.clientY];
          if (!from.hasMoved && Math.hypot(dx, dy) < 4) return;
          drag.current = { x: event.clientX, y: event.clientY, hasMoved: true };
          move(dx / clientWidth, dy / clientHeight);
        }}
        onClick={({ target }) => {
          if (drag.current?.hasMoved === true) return;
          const unit =
            target instanceof Element ? target.closest("[data-unit]")?.getAttribute("data-unit") : null;
          if (unit) onUnit(unit);
        }}
      />
    </div>
  );
}
