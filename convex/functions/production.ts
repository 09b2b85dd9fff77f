/**
 * The module that the tap calls: the ledger's functions over tables of its own. Over tables that an app has already,
 * see README.md.
 */

import { ledgerFunctions } from "./ledger/functions";

export const {
  about,
  ingest,
  startSession,
  upsertCamera,
  recordDirectorEvent,
  recordStill,
  completeSession,
  forgetSession,
  getSession,
  listSessions,
  listDirectorEvents,
  listCameras,
  listStills,
  sessionTimeline,
  latestEvents,
  changes,
  // Internal: for the routes, and for `npx convex run`.
  ingestText,
  readSession,
  readSessions,
  readTimeline,
  readChanges,
  addKey,
  listKeys,
  revokeKey,
} = ledgerFunctions();
