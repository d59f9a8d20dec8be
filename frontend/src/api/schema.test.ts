import { readFile } from "node:fs/promises"

import openapiTypescript, { astToString } from "openapi-typescript"
import { expect, test } from "vitest"

test("the types are those of the committed document", async () => {
  const document = new URL("../../../openapi.json", import.meta.url)
  const committed = await readFile(new URL("schema.d.ts", import.meta.url), "utf8")
  const fresh = astToString(await openapiTypescript(document, { defaultNonNullable: false }))
  // The command line puts a header of its own in front.
  const isFresh = committed.endsWith(fresh)
  expect(isFresh, "src/api/schema.d.ts is not what openapi.json says: run `make openapi`").toBe(true)
})
