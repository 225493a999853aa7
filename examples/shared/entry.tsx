/** One line to write something in, and the button that takes it. */

import type { FormEvent } from "react";

interface Props {
  /** What it is, for who does not see it. */
  readonly label: string;
  readonly placeholder: string;
  readonly button: string;
  readonly longest: number;
  enter(text: string): void;
}

export function Entry({ label, placeholder, button, longest, enter }: Props) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = event.currentTarget.elements.namedItem("text") as HTMLInputElement;
    const text = field.value.trim();
    if (text) enter(text);
    field.value = "";
  };
  return (
    <form className="entry card" onSubmit={submit}>
      <input
        name="text"
        aria-label={label}
        dir="auto"
        placeholder={placeholder}
        autoComplete="off"
        maxLength={longest}
        data-saved=""
      />
      <button className="button main" type="submit">
        {button}
      </button>
    </form>
  );
}
