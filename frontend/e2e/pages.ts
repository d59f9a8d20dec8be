import type { Pool, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"

/** Every page, by name, with what is visible once all of it is there. */
export async function everyPage(gateway: Gateway): Promise<{ name: string; path: string; shows: string | RegExp }[]> {
  const pool = (await gateway.ask<Pool[]>("GET", "/pools")).find(one => one.name === "pool-2025")
  const vhosts = await gateway.ask<Vhost[]>("GET", "/vhosts")
  const vhost = vhosts.find(one => one.server_name === "localhost")
  const secure = vhosts.find(one => one.ssl)
  const request = `GET http://localhost:${gateway.port}/photos/x`
  return [
    { name: "dashboard", path: "/", shows: "Drift check" },
    { name: "pools", path: "/web/pools", shows: "pool-2026" },
    { name: "pool", path: `/web/pools/${pool?.id}`, shows: "keepalive_timeout" },
    { name: "vhosts", path: "/web/vhosts", shows: "localhost" },
    { name: "vhost", path: `/web/vhosts/${vhost?.id}`, shows: "/photos/" },
    { name: "vhost-additional", path: `/web/vhosts/${vhost?.id}?tab=additional`, shows: "Extra block: end" },
    ...(secure === undefined
      ? []
      : [{ name: "vhost-tls", path: `/web/vhosts/${secure.id}`, shows: /^certificate ends in \d+ days$/ }]),
    { name: "buckets", path: "/web/buckets", shows: "Look for orphans" },
    { name: "buckets-of-pool", path: `/web/buckets?by=pool&pool=${pool?.id}`, shows: "documents" },
    { name: "jobs", path: "/web/buckets?by=jobs", shows: "Jobs" },
    { name: "migrations", path: "/web/migrations", shows: "Move a bucket" },
    { name: "config", path: "/web/config", shows: "ids.meta.json" },
    { name: "history", path: "/web/config?tab=history", shows: "Created vhost" },
    { name: "document", path: "/web/config?tab=document", shows: "Names instead of ids" },
    { name: "explain", path: `/web/explain?q=${encodeURIComponent(request)}`, shows: "Port " },
    { name: "audit", path: "/web/audit", shows: "Created vhost localhost" },
    { name: "settings", path: "/web/settings", shows: "session_ttl" },
  ]
}
