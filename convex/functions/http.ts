import { httpRouter } from "convex/server";
import { addProductionRoutes } from "./ledger/routes";

const http = httpRouter();
addProductionRoutes(http);

export default http;
