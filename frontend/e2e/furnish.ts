import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"

import type { Pool, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"
import { freePort } from "./gateway"

/** Adds what the demo lacks and pages show: a vhost whose certificate ends soon, and a change that says why. */
export async function furnish(gateway: Gateway) {
  const name = "s3.example.com"
  const vhosts = await gateway.ask<Vhost[]>("GET", "/vhosts")
  if (vhosts.some(vhost => vhost.server_name === name)) return
  const [certificate, key] = [join(gateway.directory, `${name}.crt`), join(gateway.directory, `${name}.key`)]
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "12"]
  const flags = ["req", "-x509", ...made, "-subj", `/CN=${name}`, "-keyout", key, "-out", certificate]
  await promisify(execFile)("openssl", flags)
  const pool = (await gateway.ask<Pool[]>("GET", "/pools")).find(one => one.name === "pool-2026")
  await gateway.ask("POST", "/vhosts", {
    server_name: name,
    listen_port: await freePort(),
    ssl: true,
    ssl_certificate: certificate,
    ssl_certificate_key: key,
    default_pool_id: pool?.id,
  })
  const why = { "X-Change-Reason": "more clients since Monday" }
  await gateway.ask("PUT", `/pools/${pool?.id}`, { keepalive: 64 }, why)
  await gateway.ask("POST", `/vhosts/${vhosts[0]?.id}/buckets/sync`)
}

/** Names as long as they may be. */
export async function lengthen(gateway: Gateway) {
  const name = "a-pool-whose-name-has-as-many-characters-as-a-name-may-have-here"
  if ((await gateway.ask<Pool[]>("GET", "/pools")).some(pool => pool.name === name)) return
  const why = { "X-Change-Reason": `because-of-${"what-nobody-can-break-anywhere-".repeat(10)}` }
  const description = "no-space-to-break-at-".repeat(20)
  const pool = await gateway.ask<Pool>("POST", "/pools", { name, description }, why)
  await gateway.ask("POST", `/pools/${pool.id}/members`, { address: "127.0.0.1:9" })
  const server_name = `${"a-rather-long-label-of-a-name.".repeat(7)}example.com`
  await gateway.ask("POST", "/vhosts", { server_name, listen_port: gateway.port, ssl: false, default_pool_id: pool.id })
  const [localhost] = (await gateway.ask<Vhost[]>("GET", "/vhosts")).filter(one => one.server_name === "localhost")
  const bucket = `bucket-${"x".repeat(56)}`
  await gateway.fill("pool-2025", bucket, 1, 1)
  await gateway.ask("POST", `/vhosts/${localhost?.id}/routes`, {
    path_prefix: `/${bucket}/`,
    pool_id: pool.id,
    allow_orphan: true,
  })
  await gateway.ask("POST", `/vhosts/${localhost?.id}/buckets/sync`)
}
