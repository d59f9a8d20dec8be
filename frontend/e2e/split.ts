import { mkdir, readdir, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"

import type { Gateway } from "./gateway"

/** The lines that 0.4.1 repeats in every location. */
const PROXY = `        proxy_http_version 1.1;
        proxy_set_header   Host              $host;
        proxy_set_header   X-Real-IP         $remote_addr;
        proxy_set_header   X-Forwarded-For   $proxy_add_x_forwarded_for;
        proxy_set_header   Connection        "";
`

/** A bucket that 0.4.1 was moving when it was replaced: it is read on one pool and written on the other. */
export interface Split {
  bucket: string
  from: "pool-2025" | "pool-2026"
  to: "pool-2025" | "pool-2026"
}

/** Makes the gateway one of 0.4.1 that was replaced in the midst of a migration. */
export async function splitOf041(gateway: Gateway, split: Split) {
  const managed = gateway.managed("")
  const files = (await readdir(managed)).filter(name => !name.startsWith("."))
  for (const name of files) await rm(join(managed, name), { recursive: true })
  const write = async (name: string, text: string) => {
    await mkdir(dirname(join(managed, name)), { recursive: true })
    await writeFile(join(managed, name), `# managed by nanio-orchestrator\n${text}`)
  }
  const port = gateway.storagePort
  await write("pools/pool-2025.conf", pool(1, "pool-2025", [port, port + 1]))
  await write("pools/pool-2026.conf", pool(2, "pool-2026", [port + 2]))
  await write("vhosts/localhost.conf", vhost(gateway.port, split))
  await gateway.ask("POST", "/config/rebuild-from-disk?force=true")
  await gateway.ask("POST", "/config/reload")
}

function pool(id: number, name: string, ports: number[]): string {
  const servers = ports.map(port => `    server 127.0.0.1:${port} weight=1 max_fails=3 fail_timeout=30s;\n`)
  return `# pool_id:${id} name:${name} type:nanio updated:2026-11-24T06:38:44Z
upstream ${name} {
${servers.join("")}    keepalive 32;
}
`
}

function vhost(port: number, { bucket, from, to }: Split): string {
  return `# vhost_id:1 name:localhost updated:2026-11-24T06:38:46Z
server {
    listen ${port};
    server_name localhost;

    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering         off;

    # route_id:2 prefix:/${bucket}/ [LIVE MIGRATION → ${to}]
    location /${bucket}/ {
        # Live migration split routing:
        #   writes (PUT/POST/DELETE) → destination pool (${to})
        #   reads  (GET/HEAD)        → source pool (${from}), 404-fallback to destination
        error_page 418 = @nanio_mig_2;
        if ($request_method !~ ^(GET|HEAD|OPTIONS)$) { return 418; }
        proxy_intercept_errors on;
        error_page 404 = @nanio_mig_2;
        proxy_pass         http://${from};
${PROXY}    }

    # route_id:1 prefix:/
    location / {
        proxy_pass         http://pool-2025;
${PROXY}    }

    # Named fallback/write location for live migration route_id:2
    location @nanio_mig_2 {
        proxy_pass         http://${to};
${PROXY}    }
}
`
}
