/** The four tables, as one object: `defineSchema({ ...yourTables, ...productionTables })`. */

import { defineTable } from "convex/server";
import { v } from "convex/values";
import { forgottenSession, storedCamera, storedEvent, storedSession, storedStill } from "./columns";
import { NAMES } from "./names";

const { indexes } = NAMES;

// The second field of the two list indexes makes their order whole: without it, rows of the same millisecond would be
// read in the order of their arrival, and two ledgers of the same entries would read differently.
export const productionTables = {
  [NAMES.session.table]: defineTable(v.union(storedSession, forgottenSession))
    .index(indexes.sessionByKey, ["sessionKey"])
    .index(indexes.sessionsByVenue, ["venue", "startedAt", "sessionKey"]),
  [NAMES.camera.table]: defineTable(storedCamera).index(indexes.cameraByKey, ["sessionKey", "cameraId"]),
  [NAMES.event.table]: defineTable(storedEvent)
    .index(indexes.eventByKey, ["eventKey"])
    .index(indexes.eventsBySession, ["sessionKey", "at", "eventKey"]),
  [NAMES.still.table]: defineTable(storedStill)
    .index(indexes.stillByKey, ["stillKey"])
    .index(indexes.stillsBySession, ["sessionKey", "stillKey"]),
};
