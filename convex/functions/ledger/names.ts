/** What is called how from outside: functions, routes, environment variables. */

/** The module's public functions, as the tap and other writers call them (`production` unless an app names another). */
export const FUNCTIONS = [
  "about",
  "ingest",
  "startSession",
  "upsertCamera",
  "recordDirectorEvent",
  "recordStill",
  "completeSession",
  "forgetSession",
  "getSession",
  "listSessions",
  "listDirectorEvents",
  "listCameras",
  "listStills",
  "sessionTimeline",
  "latestEvents",
  "changes",
] as const;

/** Routes below a prefix that an app may choose. */
export const ROUTES = {
  ingest: "/production/ingest",
  sessions: "/production/sessions",
  session: "/production/session",
  timeline: "/production/timeline",
  changes: "/production/changes",
} as const;

/** The deployment's environment variables. They hold SHA-256 digests of keys, never keys (`keys.ts`). */
export const ENVIRONMENT = {
  ingestKeys: "PRODUCTION_INGEST_KEYS",
  readKeys: "PRODUCTION_READ_KEYS",
  adminKeys: "PRODUCTION_ADMIN_KEYS",
} as const;
