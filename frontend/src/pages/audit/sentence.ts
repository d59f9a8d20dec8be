import type { AuditEntry } from "../../api/client"

const VERBS: Record<string, string> = {
  create: "Created",
  update: "Changed",
  delete: "Deleted",
  manual_reload: "Reloaded nginx",
  rebuild: "Wrote every file anew",
  rebuild_from_disk: "Made the database again from the disk",
  sync_from_disk: "Took over the edits on disk",
  absorb_drift: "Took over the edit of a file",
  rewrite_file: "Wrote a file anew",
  backup: "Backed up the database",
  restore: "Restored the database from a copy",
  restart: "Restarted the orchestrator",
  set_credentials: "Stored S3 keys of",
  remove_credentials: "Removed S3 keys of",
  rotate_secret: "Encrypted all S3 keys anew",
  start_migration: "Started",
  pause_migration: "Paused",
  resume_migration: "Resumed",
  cancel_migration: "Asked to cancel",
  migration_done: "Completed",
  migration_gated: "Put the gate up for",
  migration_settled: "Took the gate down after",
  migration_cancelled: "Cancelled",
  migration_error: "Gave up",
  sync_buckets: "Looked for the buckets of",
  promote_bucket: "Gave a bucket the",
  add_http_bucket_route: "Gave a bucket the",
  remove_bucket_route: "Took from a bucket the",
  remove_http_bucket_route: "Took from a bucket the",
  ignore_bucket: "Ignored",
  pool_bucket_purge: "Deleted the objects of a bucket on",
  purge_orphan: "Deleted what was left of",
  cancel_job: "Cancelled",
}

const NOUNS: Record<string, string> = { pool_member: "member", settings: "setting" }

/** What an entry of the audit log says, in a line. */
export function sentence(entry: AuditEntry): string {
  const verb = VERBS[entry.action] ?? words(entry.action)
  const noun = NOUNS[entry.entity_type] ?? entry.entity_type
  const name = nameOf(entry)
  if (entry.entity_type === "config") return name === null ? verb : `${verb}: ${name}`
  return `${verb} ${noun}${name === null ? (entry.entity_id === null ? "" : ` ${entry.entity_id}`) : ` ${name}`}`
}

/** The same where no more than the id of the thing is known. */
export function deed({ action, entity_type, entity_id }: Pick<AuditEntry, "action" | "entity_type" | "entity_id">) {
  const verb = VERBS[action] ?? words(action)
  if (entity_type === "config" || entity_type === "settings") return verb
  return `${verb} ${NOUNS[entity_type] ?? entity_type}${entity_id === null ? "" : ` ${entity_id}`}`
}

/** `promote_bucket` → `Promote bucket`. */
function words(action: string): string {
  const text = action.replaceAll("_", " ")
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** What the thing was called, if the entry holds it. */
function nameOf(entry: AuditEntry): string | null {
  for (const text of [entry.after_json, entry.before_json]) {
    const value = parsed(text)
    for (const key of ["name", "server_name", "path_prefix", "address", "bucket", "path", "key"]) {
      const found = value?.[key]
      if (typeof found === "string") return found
    }
  }
  return null
}

function parsed(text: string | null): Record<string, unknown> | null {
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
