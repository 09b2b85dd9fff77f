import { defineSchema } from "convex/server";
import { productionTables } from "./ledger/tables";

export { productionTables };

export default defineSchema({ ...productionTables }, { schemaValidation: true, strictTableNameTypes: true });
