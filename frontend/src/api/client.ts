import createClient from "openapi-fetch"

import { Problem } from "./problem"
import { tellReason } from "./reason"
import type { components, paths } from "./schema"
import { fetchInSession } from "./session"

/** The documented API, and nothing else. */
export const api = createClient<paths>({ fetch: fetchInSession })

api.use({
  onRequest({ request }) {
    tellReason(request)
    return request
  },
})

type Schemas = components["schemas"]
export type Pool = Schemas["Pool"]
export type Member = Schemas["Member"]
export type Vhost = Schemas["Vhost"]
export type Certificate = Schemas["Certificate"]
export type Explanation = Schemas["Explanation"]
export type Revision = Schemas["Revision"]
export type ConfigPlan = Schemas["ConfigPlan"]
export type Route = Schemas["Route"]
export type Topology = Schemas["Topology"]
export type ConfigStatus = Schemas["ConfigStatus"]
export type FileStatus = Schemas["FileStatus"]
export type Bucket = Schemas["Bucket"]
export type HeldBucket = Schemas["HeldBucket"]
export type Job = Schemas["Job"]
export type Migration = Schemas["Migration"]
export type MigrationCheck = Schemas["MigrationCheck"]
export type MigrationLogLine = Schemas["MigrationLogEntry"]
export type Loop = Schemas["Loop"]
export type AuditEntry = Schemas["AuditEntry"]
export type Setting = Schemas["Setting"]
export type NodeConfig = Schemas["NodeConfig"]
export type ExtraBlock = Schemas["ExtraBlock"]

interface Answered<T> {
  data?: T
  error?: unknown
  response: Response
}

/** The body of a success; anything else is thrown as a `Problem`. */
export async function body<T>(answer: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await answer.catch((thrown: unknown) => {
    throw Problem.from(thrown)
  })
  if (!response.ok) throw Problem.of(response.status, error)
  return data as T
}

/** `If-Match` for a resource as it was read. */
export function ifMatch(read: { revision: number }) {
  return { "If-Match": `"${read.revision}"` }
}
