/** One issue. It renders again only when it changed itself, or its place did. */

import { memo } from "react";
import type { Row } from "tapeline";
import { hueOf, type Issue } from "./issue.js";
import { STRIDE } from "./window.js";

export const Card = memo(function Card({ issue, place, of }: { issue: Row<Issue>; place: number; of: number }) {
  const { id, title, label, assignee } = issue;
  return (
    <li aria-posinset={place + 1} aria-setsize={of} style={{ transform: `translateY(${place * STRIDE}px)` }}>
      <article
        className="issue card"
        tabIndex={place === 0 ? 0 : -1}
        data-id={id}
        data-place={place}
        aria-label={`${id}: ${title}. ${label}, ${assignee}`}
      >
        <p>{title}</p>
        <footer>
          <span className="label" style={{ "--hue": hueOf(label) } as object}>
            {label}
          </span>
          <span className="id">{id}</span>
          <span className="face" style={{ "--hue": hueOf(assignee) } as object} title={assignee}>
            {assignee.slice(0, 2)}
          </span>
        </footer>
      </article>
    </li>
  );
});
