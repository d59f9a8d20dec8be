import { queryOptions, useQuery } from "@tanstack/react-query"

import type { Route } from "./client"
import { api, body } from "./client"

/** How often a pool's nodes are asked again while one of its buckets moves. */
const MOVING_MS = 5000

/**
 * What the pages read. Keys begin with what the answer depends on, so that an event can void just that: `db` the
 * database, `members` the database and who can be reached, `disk` the files as well.
 */
export const queries = {
  topology: queryOptions({ queryKey: ["members", "topology"], queryFn: () => body(api.GET("/api/topology")) }),
  health: queryOptions({ queryKey: ["disk", "health"], queryFn: () => body(api.GET("/api/health")) }),
  loops: queryOptions({ queryKey: ["loops"], queryFn: () => body(api.GET("/api/config/loops")) }),
  pools: queryOptions({ queryKey: ["db", "pools"], queryFn: () => body(api.GET("/api/pools")) }),
  pool: (id: number) =>
    queryOptions({
      queryKey: ["db", "pools", id],
      queryFn: () => body(api.GET("/api/pools/{pool_id}", { params: { path: { pool_id: id } } })),
    }),
  members: (pool: number) =>
    queryOptions({
      queryKey: ["members", pool],
      queryFn: () => body(api.GET("/api/pools/{pool_id}/members", { params: { path: { pool_id: pool } } })),
    }),
  credentials: (pool: number) =>
    queryOptions({
      queryKey: ["db", "credentials", pool],
      queryFn: () => body(api.GET("/api/pools/{pool_id}/credentials", { params: { path: { pool_id: pool } } })),
    }),
  nodeSummary: (pool: number) =>
    queryOptions({
      queryKey: ["db", "node-summary", pool],
      queryFn: () => body(api.GET("/api/pools/{pool_id}/node-config-summary", { params: { path: { pool_id: pool } } })),
    }),
  vhosts: queryOptions({ queryKey: ["db", "vhosts"], queryFn: () => body(api.GET("/api/vhosts")) }),
  vhost: (id: number) =>
    queryOptions({
      queryKey: ["db", "vhosts", id],
      queryFn: () => body(api.GET("/api/vhosts/{vhost_id}", { params: { path: { vhost_id: id } } })),
    }),
  certificates: queryOptions({
    queryKey: ["db", "certificates"],
    queryFn: () => body(api.GET("/api/certificates")),
  }),
  routes: (vhost: number) => queryOptions({ queryKey: ["db", "routes", vhost], queryFn: () => allRoutes(vhost) }),
  poolPreview: (id: number) =>
    queryOptions({
      queryKey: ["db", "preview", "pool", id],
      queryFn: () => body(api.GET("/api/config/preview/pool/{pool_id}", { params: { path: { pool_id: id } } })),
    }),
  vhostPreview: (id: number) =>
    queryOptions({
      queryKey: ["db", "preview", "vhost", id],
      queryFn: () => body(api.GET("/api/config/preview/vhost/{vhost_id}", { params: { path: { vhost_id: id } } })),
    }),
  status: queryOptions({
    queryKey: ["disk", "status"],
    queryFn: () => body(api.GET("/api/config/status", { params: { query: { diff: true } } })),
  }),
  /** The state of nginx and the files that drifted, whatever their number. */
  state: queryOptions({
    queryKey: ["disk", "state"],
    queryFn: () => body(api.GET("/api/config/status", { params: { query: { drifted: true, limit: 100 } } })),
  }),
  revisionsPerPage: 50,
  revisions: (before: number | null) =>
    queryOptions({
      queryKey: ["db", "revisions", before],
      queryFn: () =>
        body(
          api.GET("/api/config/revisions", {
            params: { query: { limit: queries.revisionsPerPage, ...(before === null ? {} : { before }) } },
          }),
        ),
      placeholderData: previous => previous,
    }),
  revision: (number: number) =>
    queryOptions({
      queryKey: ["db", "revision", number],
      queryFn: () => body(api.GET("/api/config/revisions/{number}", { params: { path: { number } } })),
    }),
  /** What it would take to be there again. */
  rollback: (number: number, partial: boolean) =>
    queryOptions({
      queryKey: ["db", "rollback", number, partial],
      queryFn: () =>
        body(
          api.POST("/api/config/revisions/{number}/rollback", {
            params: { path: { number }, query: { partial, dry_run: true } },
          }),
        ),
      placeholderData: previous => previous,
      retry: false,
    }),
  explain: (query: ExplainQuery) =>
    queryOptions({
      queryKey: ["db", "explain", query],
      queryFn: () => body(api.GET("/api/config/explain", { params: { query } })),
      placeholderData: previous => previous,
    }),
  settings: queryOptions({ queryKey: ["settings"], queryFn: () => body(api.GET("/api/config/settings")) }),
  bucketCounts: queryOptions({ queryKey: ["db", "bucket-counts"], queryFn: () => body(api.GET("/api/buckets")) }),
  buckets: (vhost: number, fetch_counts: boolean) =>
    queryOptions({
      queryKey: ["db", "buckets", vhost, fetch_counts],
      queryFn: () =>
        body(
          api.GET("/api/vhosts/{vhost_id}/buckets", { params: { path: { vhost_id: vhost }, query: { fetch_counts } } }),
        ),
      placeholderData: previous => previous,
    }),
  bucketOrphans: (vhost: number) =>
    queryOptions({
      queryKey: ["db", "bucket-orphans", vhost],
      queryFn: () => body(api.GET("/api/vhosts/{vhost_id}/buckets/orphans", { params: { path: { vhost_id: vhost } } })),
    }),
  linkedBuckets: (vhost: number) =>
    queryOptions({
      queryKey: ["db", "linked-buckets", vhost],
      queryFn: () =>
        body(api.GET("/api/vhosts/{vhost_id}/http-bucket-routes", { params: { path: { vhost_id: vhost } } })),
    }),
  poolBuckets: (pool: number) =>
    queryOptions({
      queryKey: ["db", "pool-buckets", pool],
      queryFn: () => body(api.GET("/api/pools/{pool_id}/buckets/status", { params: { path: { pool_id: pool } } })),
      // Which side serves a bucket that moves is also the nodes' to say.
      refetchInterval: query => (query.state.data?.buckets.some(one => one.status === "migrating") ? MOVING_MS : false),
    }),
  objects: (pool: number, bucket: string) =>
    queryOptions({
      queryKey: ["objects", pool, bucket],
      queryFn: () =>
        body(
          api.GET("/api/pools/{pool_id}/buckets/{bucket}/objects", {
            params: { path: { pool_id: pool, bucket }, query: { limit: 1000 } },
          }),
        ),
    }),
  jobs: queryOptions({
    queryKey: ["db", "jobs"],
    queryFn: () => body(api.GET("/api/jobs", { params: { query: { limit: 50 } } })),
    refetchInterval: query => (query.state.data?.some(job => job.finished_at === null) ? 1000 : false),
  }),
  migrations: queryOptions({
    queryKey: ["db", "migrations"],
    queryFn: () => body(api.GET("/api/migrations", { params: { query: { limit: 200 } } })),
    // Progress is no change of the database.
    refetchInterval: query => (query.state.data?.some(one => one.finished_at === null) ? 1000 : false),
  }),
  migration: (id: number) =>
    queryOptions({
      queryKey: ["db", "migrations", id],
      queryFn: () => body(api.GET("/api/migrations/{migration_id}", { params: { path: { migration_id: id } } })),
      refetchInterval: query => (query.state.data?.finished_at === null ? 1000 : false),
    }),
  /** The newest few, for the dashboard. */
  newestMigrations: queryOptions({
    queryKey: ["db", "migrations", "newest"],
    queryFn: () => body(api.GET("/api/migrations", { params: { query: { limit: 20 } } })),
    refetchInterval: query => (query.state.data?.some(one => one.finished_at === null) ? 1000 : false),
  }),
  migrationLog: (id: number) =>
    queryOptions({
      queryKey: ["db", "migration-log", id],
      queryFn: () =>
        body(
          api.GET("/api/migrations/{migration_id}/log", {
            params: { path: { migration_id: id }, query: { limit: 200 } },
          }),
        ),
    }),
  staleMigrations: queryOptions({
    queryKey: ["db", "migrations", "stale"],
    queryFn: () => body(api.GET("/api/migrations/stale")),
  }),
  orphanedSources: queryOptions({
    queryKey: ["db", "migrations", "orphaned"],
    queryFn: () => body(api.GET("/api/migrations/orphaned")),
  }),
  sourceBuckets: (pool: number) =>
    queryOptions({
      queryKey: ["db", "source-buckets", pool],
      queryFn: () => body(api.GET("/api/migrations/source-buckets", { params: { query: { pool_id: pool } } })),
    }),
  audit: (filter: AuditFilter) =>
    queryOptions({
      queryKey: ["db", "audit", filter],
      queryFn: () => body(api.GET("/api/audit", { params: { query: filter } })),
      placeholderData: previous => previous,
    }),
}

export interface ExplainQuery {
  method: string
  path: string
  host?: string
  scheme?: "http" | "https"
  from?: string
  copy_source?: string
}

export interface AuditFilter {
  page?: number
  per_page?: number
  entity_type?: string
  entity_id?: number
  from?: string
  to?: string
}

/** Routes a request: an answer of a few hundred kilobytes. */
const PAGE = 1000

async function allRoutes(vhost: number): Promise<Route[]> {
  const all: Route[] = []
  for (;;) {
    const last = all.at(-1)
    const query = last === undefined ? { limit: PAGE } : { limit: PAGE, after: last.id, after_key: last.path_prefix }
    const page = await body(api.GET("/api/vhosts/{vhost_id}/routes", { params: { path: { vhost_id: vhost }, query } }))
    all.push(...page)
    if (page.length < PAGE) return all
  }
}

/** Pools by id, for names. */
export function usePools() {
  const { data } = useQuery(queries.pools)
  return data ?? []
}
