/** The door: one says who one is. */

import { Entry } from "../shared/entry.js";
import { PEOPLE, signIn } from "./account.js";

export function SignIn() {
  return (
    <>
      <header className="title">
        <h1>Lists</h1>
        <p className="muted">Yours alone, or shared with whom you like</p>
      </header>
      <section className="card door" aria-labelledby="who">
        <h2 id="who">Who are you?</h2>
        <p className="muted">
          Each person sees their own lists and those shared with them. Nothing else is sent to their device. Open
          another browser, or a private window, to be somebody else beside.
        </p>
        <p className="people">
          {PEOPLE.map((name) => (
            <button key={name} type="button" className="button" onClick={() => signIn(name)}>
              {name}
            </button>
          ))}
        </p>
      </section>
      <Entry label="Your name" placeholder="Or another name" button="Sign in" longest={40} enter={signIn} />
    </>
  );
}
