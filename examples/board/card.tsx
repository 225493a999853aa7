/** One issue. It renders again only when it changed itself, or its place did. */

import { memo } from "react";
import type { Row } from "tapeline";
import { hueOf, type Issue } from "./issue.js";
import { STRIDE } from "./window.js";

interface Props {
  issue: Row<Issue>;
  place: number;
  /** How many there are in the column; -1 where that is not known. */
  of: number;
  /** Tab goes here: to one card of each column. From there on arrows lead. */
  tabStop: boolean;
}

export const Card = memo(function Card({ issue, place, of, tabStop }: Props) {
  const { id, title, label, assignee } = issue;
  return (
    <li aria-posinset={place + 1} aria-setsize={of} style={{ transform: `translateY(${place * STRIDE}px)` }}>
      <article
        className="issue card"
        tabIndex={tabStop ? 0 : -1}
        data-id={id}
        data-place={place}
        aria-label={`${id}: ${title}. ${label}, ${assignee}`}
      >
        <p dir="auto">{title}</p>
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
