/** A list in a worker: `{insert}` makes a task, and the titles of all tasks are told whenever they change. */

import { Tapeline } from "/tapeline/browser.js";

const app = new URL(location.href).searchParams;
const db = await Tapeline.open({ server: app.get("server"), name: app.get("name") });
const tasks = db.stream(app.get("name")).collection("tasks");
tasks.watch({ orderBy: "title" }, (rows) => postMessage(rows.map(({ title }) => title)));
addEventListener("message", ({ data }) => tasks.insert({ title: data.insert }));
