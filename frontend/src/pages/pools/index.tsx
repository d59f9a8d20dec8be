import { Anchor, Badge, Button, Text } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { IconPlus } from "@tabler/icons-react"
import { Link, useSearchParams } from "react-router"

import type { Pool, Topology } from "../../api/client"
import { queries } from "../../api/queries"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Page, Placeholder } from "../../components/page"
import { Status } from "../../components/status"
import { Trouble } from "../../components/trouble"
import { poolHealth } from "../dashboard/model"
import { PoolDialog } from "./form"

type Sight = Topology["pools"][number]

export function Component() {
  const { data: pools, error, refetch } = useQuery(queries.pools)
  const { data: topology } = useQuery(queries.topology)
  const [search, setSearch] = useSearchParams()
  const sights = new Map(topology?.pools.map(sight => [sight.id, sight]))
  const uses = new Map<number, number>()
  for (const bundle of topology?.routes ?? []) {
    uses.set(bundle.pool_id, (uses.get(bundle.pool_id) ?? 0) + bundle.enabled + bundle.disabled)
  }
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setSearch("new")}>
      New pool
    </Button>
  )
  return (
    <Page
      title="Pools"
      about="A pool is a group of storage nodes that serve the same data. nginx spreads requests over its members."
      actions={add}
    >
      <Trouble error={error} title="The pools cannot be read" onRetry={() => void refetch()} />
      {pools === undefined ? (
        error === null && <Placeholder rows={6} />
      ) : (
        <DataTable
          of="pools"
          rows={pools}
          columns={columns(sights, uses, new Map(pools.map(pool => [pool.id, pool.name])))}
          id={pool => pool.id}
          empty={
            <Empty title="There are no pools yet" action={add}>
              Make a pool, add its storage nodes as members, then make a vhost that uses it.
            </Empty>
          }
        />
      )}
      <PoolDialog opened={search.has("new")} onClose={() => setSearch({}, { replace: true })} />
    </Page>
  )
}

function columns(sights: Map<number, Sight>, uses: Map<number, number>, names: Map<number, string>): Column<Pool>[] {
  return [
    {
      key: "name",
      title: "Name",
      value: pool => pool.name,
      cell: pool => (
        <>
          <Anchor component={Link} to={`/web/pools/${pool.id}`} fw={600} size="sm">
            {pool.name}
          </Anchor>
          {pool.description !== null && (
            <Text size="xs" c="dimmed" className="breakable">
              {pool.description}
            </Text>
          )}
        </>
      ),
    },
    {
      key: "type",
      title: "Type",
      value: pool => pool.type,
      cell: pool => (
        <Badge variant="light" color={pool.type === "nanio" ? "indigo" : "teal"} radius="sm" tt="none">
          {pool.type}
        </Badge>
      ),
    },
    {
      key: "members",
      title: "Members",
      value: pool => sights.get(pool.id)?.unreachable ?? null,
      cell: pool => {
        const sight = sights.get(pool.id)
        if (sight === undefined) return "…"
        const { health, word } = poolHealth(sight)
        return <Status health={health}>{word}</Status>
      },
    },
    { key: "lb_method", title: "Load balancing", value: pool => pool.lb_method, wide: true },
    {
      key: "source",
      title: "Serves the files of",
      value: pool => (pool.source_nanio_pool_id === null ? null : (names.get(pool.source_nanio_pool_id) ?? null)),
      cell: pool => (pool.source_nanio_pool_id === null ? "—" : names.get(pool.source_nanio_pool_id)),
      wide: true,
    },
    {
      key: "routes",
      title: "Routes",
      align: "end",
      value: pool => uses.get(pool.id) ?? 0,
      cell: pool => (uses.get(pool.id) ?? 0).toLocaleString("en"),
      wide: true,
    },
  ]
}
