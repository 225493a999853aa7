/** One issue, opened: its title, and a description that everybody types in at once. */

import { useEffect, useMemo, useRef, useState } from "react";
import type { Collection, Row, Stream } from "tapeline";
import { Cross } from "../shared/cross.js";
import { Title } from "../shared/title.js";
import { UndoButtons } from "../shared/undo.js";
import { Carets, useCarets, useSayCaret } from "./carets.js";
import type { Me } from "./cursors.js";
import { type Description, type Issue, named, states } from "./issue.js";
import { Typing } from "./typing.js";

interface Props {
  stream: Stream;
  issues: Collection<Issue>;
  issue: Row<Issue>;
  me: Me;
  close(): void;
}

export function Details({ stream, issues, issue, me, close }: Props) {
  const { id, title, state, label, assignee } = issue;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    // Not its first button, which would undo something.
    dialog.current?.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="details card"
      tabIndex={-1}
      aria-label={`${id}: ${title}`}
      onClose={close}
      closedby="any"
    >
      <div>
        <header>
          <p className="muted">
            {id} · {states[state]} · {label} · {assignee}
          </p>
          <UndoButtons stream={stream} />
          <button type="button" className="icon" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Cross />
          </button>
        </header>
        <Title key={id} title={title} save={(title) => issues.update(id, named(id, issue, title))} />
        <Text stream={stream} id={id} me={me} />
      </div>
    </dialog>
  );
}

/** What is said of the issue. It comes when it is opened, and stays on the device with the last that were. */
function Text({ stream, id, me }: { stream: Stream; id: string; me: Me }) {
  const texts = useMemo(() => stream.collection<Description>("descriptions"), [stream]);
  const isHere = useLoaded(texts, id);
  const area = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  const [carets, shift] = useCarets(stream, id);
  const say = useSayCaret(stream, me, id);

  useEffect(() => {
    const { current } = area;
    if (!current) return;
    let before = "";
    const tell = () => void (document.activeElement === current && say(current));
    const typing = new Typing(current, stream, texts, id, (text, splice) => {
      setText(text);
      if (splice) shift(splice, before);
      before = text;
      tell();
    });
    document.addEventListener("selectionchange", tell);
    return () => {
      document.removeEventListener("selectionchange", tell);
      typing.end();
    };
  }, [stream, texts, id, shift, say]);

  const names = [...carets.values()].map(({ name }) => name);
  return (
    <>
      <div className="description">
        <Carets text={text} carets={carets} />
        <textarea
          ref={area}
          aria-label="Description"
          placeholder={isHere ? "Say more. Others see it as you type." : "This text is on its way …"}
          readOnly={!isHere}
          maxLength={20_000}
        />
      </div>
      <p className="muted" aria-live="polite">
        {names.length > 0
          ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} here too.`
          : "Nobody else is in this text."}
      </p>
    </>
  );
}

/** Whether an object was loaded, or is known not to be there. */
function useLoaded(objects: Collection<Description>, id: string): boolean {
  const [loaded, setLoaded] = useState<string>();
  useEffect(() => {
    objects.load(id).then(
      () => setLoaded(id),
      // The page is being left.
      () => {},
    );
  }, [objects, id]);
  return loaded === id;
}
