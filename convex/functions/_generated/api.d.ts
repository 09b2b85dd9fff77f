/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as http from "../http.js";
import type * as ledger_about from "../ledger/about.js";
import type * as ledger_columns from "../ledger/columns.js";
import type * as ledger_commitTs from "../ledger/commitTs.js";
import type * as ledger_cursors from "../ledger/cursors.js";
import type * as ledger_entries from "../ledger/entries.js";
import type * as ledger_fits from "../ledger/fits.js";
import type * as ledger_functions from "../ledger/functions.js";
import type * as ledger_gave from "../ledger/gave.js";
import type * as ledger_home from "../ledger/home.js";
import type * as ledger_ingest from "../ledger/ingest.js";
import type * as ledger_json from "../ledger/json.js";
import type * as ledger_keys from "../ledger/keys.js";
import type * as ledger_making from "../ledger/making.js";
import type * as ledger_merge from "../ledger/merge.js";
import type * as ledger_names from "../ledger/names.js";
import type * as ledger_owners from "../ledger/owners.js";
import type * as ledger_ownersStore from "../ledger/ownersStore.js";
import type * as ledger_problems from "../ledger/problems.js";
import type * as ledger_reading from "../ledger/reading.js";
import type * as ledger_routes from "../ledger/routes.js";
import type * as ledger_sessionKeys from "../ledger/sessionKeys.js";
import type * as ledger_shelf from "../ledger/shelf.js";
import type * as ledger_store from "../ledger/store.js";
import type * as ledger_tables from "../ledger/tables.js";
import type * as production from "../production.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  http: typeof http;
  "ledger/about": typeof ledger_about;
  "ledger/columns": typeof ledger_columns;
  "ledger/commitTs": typeof ledger_commitTs;
  "ledger/cursors": typeof ledger_cursors;
  "ledger/entries": typeof ledger_entries;
  "ledger/fits": typeof ledger_fits;
  "ledger/functions": typeof ledger_functions;
  "ledger/gave": typeof ledger_gave;
  "ledger/home": typeof ledger_home;
  "ledger/ingest": typeof ledger_ingest;
  "ledger/json": typeof ledger_json;
  "ledger/keys": typeof ledger_keys;
  "ledger/making": typeof ledger_making;
  "ledger/merge": typeof ledger_merge;
  "ledger/names": typeof ledger_names;
  "ledger/owners": typeof ledger_owners;
  "ledger/ownersStore": typeof ledger_ownersStore;
  "ledger/problems": typeof ledger_problems;
  "ledger/reading": typeof ledger_reading;
  "ledger/routes": typeof ledger_routes;
  "ledger/sessionKeys": typeof ledger_sessionKeys;
  "ledger/shelf": typeof ledger_shelf;
  "ledger/store": typeof ledger_store;
  "ledger/tables": typeof ledger_tables;
  production: typeof production;
}>;

/**
 * A utility for referencing Convex functions in your app's public API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
export declare const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
>;

/**
 * A utility for referencing Convex functions in your app's internal API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = internal.myModule.myFunction;
 * ```
 */
export declare const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
>;

export declare const components: {};
