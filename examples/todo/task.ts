/** What a task is. */

export interface Task {
  title: string;
  completed: boolean;
  colour: Colour;
  /** A fractional index: between any two there is room for another. */
  position: string;
}

export const colours = ["none", "red", "amber", "green", "blue", "violet"] as const;
export type Colour = (typeof colours)[number];
