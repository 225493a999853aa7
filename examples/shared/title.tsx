/** A title that is edited in place, as long as it is: Enter or leaving saves, Escape does not. */

import { type KeyboardEvent, useState } from "react";

interface Props {
  readonly title: string;
  save(title: string): void;
}

export function Title({ title, save }: Props) {
  const [draft, setDraft] = useState<string>();
  const finish = () => {
    const text = draft?.trim();
    if (text && text !== title) save(text);
    setDraft(undefined);
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // While letters are composed, these keys are about them.
    if (event.nativeEvent.isComposing) return;
    if (event.key !== "Enter" && (event.key !== "Escape" || draft === undefined)) return;
    event.preventDefault();
    if (event.key === "Enter") event.currentTarget.blur();
    else setDraft(undefined);
  };
  return (
    <textarea
      className="name"
      aria-label="Title"
      dir="auto"
      rows={1}
      maxLength={500}
      data-saved={title}
      value={draft ?? title}
      onChange={(event) => setDraft(event.target.value.replaceAll("\n", " "))}
      onBlur={finish}
      onKeyDown={press}
    />
  );
}
