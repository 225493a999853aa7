/** A calm word on what became of somebody's edits: what was lost, or written over by who had not seen it. */

import { useNotices } from "@tapeline/react";
import { type ReactNode, useState } from "react";
import type { Notice, Stream } from "tapeline";
import { Cross } from "./cross.js";

/** How many are shown; older ones make room. */
const MOST = 3;

/** What is said of one notice; `undo`: puts back what was one's own. */
export interface Report {
  readonly words: ReactNode;
  readonly undo?: () => void;
}

interface Props {
  readonly stream: Stream | undefined;
  /** Says what a notice means in this app; nothing where people need not know. */
  tell(notice: Notice): Report | undefined;
}

export function Reports({ stream, tell }: Props) {
  const [reports, setReports] = useState<readonly (Report & { number: number })[]>([]);
  useNotices(stream, (notice) => {
    const report = tell(notice);
    if (report) setReports((all) => [...all, { ...report, number: (all.at(-1)?.number ?? 0) + 1 }].slice(-MOST));
  });
  const drop = (number: number) => setReports((all) => all.filter((report) => report.number !== number));
  return (
    <div className="reports" role="status">
      {reports.map(({ number, words, undo }) => (
        <div key={number} className="report card">
          <p>{words}</p>
          {undo && (
            <button
              type="button"
              className="button"
              onClick={() => {
                undo();
                drop(number);
              }}
            >
              Put mine back
            </button>
          )}
          <button type="button" className="icon" aria-label="Dismiss" onClick={() => drop(number)}>
            <Cross />
          </button>
        </div>
      ))}
    </div>
  );
}
