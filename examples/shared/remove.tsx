/** A cross that takes its row away: an item of a list, or a section. */

import type { MouseEvent } from "react";
import { Cross } from "./cross.js";

interface Props {
  readonly label: string;
  remove(): void;
}

export function Remove({ label, remove }: Props) {
  const press = ({ currentTarget, detail }: MouseEvent<HTMLElement>) => {
    // The next row has come under the pointer: the second click of two is not meant for it.
    if (detail > 1) return;
    const row = currentTarget.closest("li, section");
    // The keyboard goes on from there.
    (row?.nextElementSibling ?? row?.previousElementSibling)?.querySelector<HTMLElement>(".remove")?.focus();
    remove();
  };
  return (
    <button type="button" className="remove icon" aria-label={label} onClick={press}>
      <Cross />
    </button>
  );
}
