/** What a task is, and who gave it its title. */

export interface Task {
  title: string;
  /** Whose title it is: the id of a person. */
  by?: string;
  completed: boolean;
  colour: Colour;
  /** Where it is in the list: between any two positions there is room for another. */
  position: string;
}

export const colours = ["none", "red", "amber", "green", "blue", "violet"] as const;
export type Colour = (typeof colours)[number];

/** Somebody who has changed the list; the id is that of the copy of it on their device. */
export interface Person {
  name: string;
}
