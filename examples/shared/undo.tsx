/** Undo and redo: two buttons, and the keys everybody knows. */

import { useUndo } from "@tapeline/react";
import { useEffect } from "react";
import type { Stream } from "tapeline";
import { Icon } from "./icon.js";

export function UndoButtons({ stream }: { stream: Stream | undefined }) {
  const { canUndo, canRedo, undo, redo } = useUndo(stream);
  useEffect(() => {
    if (!stream) return;
    const press = (event: KeyboardEvent) => {
      const step = stepOf(event);
      if (!step || event.defaultPrevented || keepsItsOwn(event.target)) return;
      event.preventDefault();
      stream[step]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [stream]);
  return (
    <span className="undo">
      <button
        type="button"
        className="icon"
        aria-label="Undo"
        title="Undo (Ctrl+Z)"
        disabled={!canUndo}
        onClick={() => undo()}
      >
        <Arrow />
      </button>
      <button
        type="button"
        className="icon"
        aria-label="Redo"
        title="Redo (Ctrl+Shift+Z)"
        disabled={!canRedo}
        onClick={() => redo()}
      >
        <Arrow />
      </button>
    </span>
  );
}

/** What keys ask for. */
export function stepOf({ key, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): "undo" | "redo" | undefined {
  if (altKey || !(ctrlKey || metaKey)) return undefined;
  if (key.toLowerCase() === "y") return "redo";
  if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return undefined;
}

/** A field with what is not saved yet undoes its own typing. Fields say in `data-saved` what is. */
function keepsItsOwn(target: EventTarget | null): boolean {
  const types =
    target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && target.type !== "checkbox");
  return types && target.dataset.saved !== target.value;
}

function Arrow() {
  return (
    <Icon size={20}>
      <path d="M8 4.5 4.5 8 8 11.5M5 8h6.5a4 4 0 0 1 0 8H8" />
    </Icon>
  );
}
