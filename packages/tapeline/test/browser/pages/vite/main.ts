/** Lets the tests use the package as this page has it. */

import * as tapeline from "tapeline";

Object.assign(globalThis, { tapeline, loadChecks: () => import("tapeline/checks") });
