import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { addProductionRoutes } from "./ledger/routes";

const http = httpRouter();
addProductionRoutes(http, internal.production);

export default http;
