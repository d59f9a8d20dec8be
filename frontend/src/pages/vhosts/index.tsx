import { Anchor, Button, Text } from "@mantine/core"
import { IconPlus } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { Link, useSearchParams } from "react-router"

import type { Vhost } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Page, Placeholder } from "../../components/page"
import { Status } from "../../components/status"
import { Trouble } from "../../components/trouble"
import { CertificateMark } from "./certificate"
import { VhostDialog } from "./form"

export function Component() {
  const { data: vhosts, error, refetch } = useQuery(queries.vhosts)
  const { data: topology } = useQuery(queries.topology)
  const [search, setSearch] = useSearchParams()
  const pools = new Map(usePools().map(pool => [pool.id, pool.name]))
  const routes = new Map<number, number>()
  for (const bundle of topology?.routes ?? []) {
    routes.set(bundle.vhost_id, (routes.get(bundle.vhost_id) ?? 0) + bundle.enabled + bundle.disabled)
  }
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setSearch("new")}>
      New vhost
    </Button>
  )
  const poolOf = (vhost: Vhost) => (vhost.default_pool_id === null ? null : (pools.get(vhost.default_pool_id) ?? null))
  const columns: Column<Vhost>[] = [
    {
      key: "name",
      title: "Server name",
      value: vhost => vhost.server_name,
      cell: vhost => (
        <Anchor component={Link} to={`/web/vhosts/${vhost.id}`} fw={600} size="sm">
          {vhost.server_name}
        </Anchor>
      ),
    },
    {
      key: "listens",
      title: "Listens",
      value: vhost => vhost.listen_port,
      cell: vhost => (
        <>
          {vhost.ssl ? "https" : "http"} :{vhost.listen_port} <CertificateMark vhost={vhost} short />
        </>
      ),
    },
    {
      key: "pool",
      title: "Default pool",
      wide: true,
      value: poolOf,
      cell: vhost =>
        vhost.default_pool_id === null ? (
          <Text size="sm" c="dimmed">
            none
          </Text>
        ) : (
          <Anchor component={Link} to={`/web/pools/${vhost.default_pool_id}`} size="sm">
            {poolOf(vhost) ?? "…"}
          </Anchor>
        ),
    },
    {
      key: "routes",
      title: "Routes",
      align: "end",
      value: vhost => routes.get(vhost.id) ?? 0,
      cell: vhost => (routes.get(vhost.id) ?? 0).toLocaleString("en"),
    },
    { key: "access", title: "Access", value: access, wide: true },
    {
      key: "enabled",
      title: "State",
      value: vhost => vhost.enabled,
      cell: vhost => <Status health={vhost.enabled ? "good" : "idle"}>{vhost.enabled ? "on" : "off"}</Status>,
    },
  ]
  return (
    <Page
      title="Vhosts"
      about="A vhost is a host name that nginx answers to. Its routes say which pool serves a bucket; its default pool serves the rest."
      actions={add}
    >
      <Trouble error={error} title="The vhosts cannot be read" onRetry={() => void refetch()} />
      {vhosts === undefined ? (
        error === null && <Placeholder rows={6} />
      ) : (
        <DataTable
          of="vhosts"
          rows={vhosts}
          columns={columns}
          id={vhost => vhost.id}
          empty={
            <Empty title="There are no vhosts yet" action={add}>
              Make one with the host name of your S3 endpoint and a default pool; nginx serves it after a reload.
            </Empty>
          }
        />
      )}
      <VhostDialog opened={search.has("new")} onClose={() => setSearch({}, { replace: true })} />
    </Page>
  )
}

function access(vhost: Vhost): string {
  const count = vhost.ip_rule_ips?.length ?? 0
  const addresses = `${count} ${count === 1 ? "address" : "addresses"}`
  if (vhost.ip_rule_mode === "allow") return `only ${addresses}`
  if (vhost.ip_rule_mode === "deny") return `all but ${addresses}`
  return "everybody"
}
