import { Anchor, Button, Group, Menu, Select, Stack, Switch, Text } from "@mantine/core"
import { IconRefresh } from "@tabler/icons-react"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { Link, useSearchParams } from "react-router"

import type { Bucket, Vhost } from "../../api/client"
import { api, body } from "../../api/client"
import { Problem } from "../../api/problem"
import { queries, usePools } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Placeholder } from "../../components/page"
import { RowMenu } from "../../components/row-menu"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Linked } from "./linked"
import { Orphans } from "./orphans"
import { Promote } from "./promote"

/** The buckets of one vhost. */
export function ByVhost() {
  const { data: vhosts, error } = useQuery(queries.vhosts)
  const pools = new Map(usePools().map(pool => [pool.id, pool]))
  const [search, setSearch] = useSearchParams()
  const poolOf = (vhost: Vhost) => (vhost.default_pool_id === null ? undefined : pools.get(vhost.default_pool_id))
  const fitting = (vhosts ?? []).filter(vhost => {
    const pool = poolOf(vhost)
    return pool?.type === "nanio" || (pool !== undefined && pool.source_nanio_pool_id !== null)
  })
  const vhost = fitting.find(one => String(one.id) === search.get("vhost")) ?? fitting[0]
  if (vhosts === undefined)
    return error === null ? <Placeholder /> : <Trouble error={error} title="The vhosts cannot be read" />
  if (vhost === undefined) {
    return (
      <Empty
        title="No vhost has buckets"
        action={
          <Button component={Link} to="/web/vhosts" variant="default" size="sm">
            Go to the vhosts
          </Button>
        }
      >
        Buckets are those of vhosts whose default pool is of type nanio, or an http pool backed by one.
      </Empty>
    )
  }
  return (
    <Stack>
      <Select
        label="Vhost"
        w={320}
        maw="100%"
        searchable
        allowDeselect={false}
        data={fitting.map(one => ({ value: String(one.id), label: one.server_name }))}
        value={String(vhost.id)}
        onChange={id => setSearch(id === null ? {} : { vhost: id })}
      />
      {poolOf(vhost)?.type === "http" ? (
        <Linked key={vhost.id} vhost={vhost} />
      ) : (
        <Buckets key={vhost.id} vhost={vhost} />
      )}
    </Stack>
  )
}

const HEALTH: Record<Bucket["status"], Health> = {
  routed: "good",
  migrating: "warn",
  unrouted: "idle",
  ignored: "idle",
  deleted: "bad",
}

type Doing = "route" | "remove route" | "ignore"

function Buckets({ vhost }: { vhost: Vhost }) {
  const client = useQueryClient()
  const [counts, setCounts] = useState(false)
  const [chosen, setChosen] = useState<{ bucket: Bucket; to: Doing } | null>(null)
  const { data: list, error, refetch } = useQuery(queries.buckets(vhost.id, counts))
  const sync = useMutation({
    mutationFn: async () => {
      const params = { path: { vhost_id: vhost.id } }
      const answer = await body(api.POST("/api/vhosts/{vhost_id}/buckets/sync", { params }))
      if (answer.error !== null) throw new Problem(502, answer.error)
      return answer
    },
    onSuccess: async answer => {
      await client.invalidateQueries({ queryKey: ["db"] })
      const words = answer.skipped ? [answer.reason] : [`${answer.buckets_found ?? 0} buckets were found.`]
      done([...words, ...answer.warnings].join("\n"))
    },
  })
  const close = () => setChosen(null)
  const columns: Column<Bucket>[] = [
    {
      key: "name",
      title: "Bucket",
      value: bucket => bucket.name,
      cell: bucket => <span className="mono breakable">{bucket.name}</span>,
    },
    {
      key: "status",
      title: "Status",
      value: bucket => bucket.status,
      cell: bucket => <Status health={HEALTH[bucket.status]}>{bucket.status}</Status>,
    },
    {
      key: "pool",
      title: "Served by",
      value: bucket => bucket.pool_name,
      cell: bucket =>
        bucket.routed_pool_id === null ? (
          <Text size="sm" c="dimmed">
            default pool
          </Text>
        ) : (
          <Anchor component={Link} to={`/web/pools/${bucket.routed_pool_id}`} size="sm">
            {bucket.pool_name}
          </Anchor>
        ),
    },
    { key: "objects", title: "Objects", align: "end", value: bucket => bucket.object_count, cell: objects },
    {
      key: "found",
      title: "Found",
      value: bucket => bucket.discovered_at,
      cell: bucket => <Time at={bucket.discovered_at} />,
      wide: true,
    },
    {
      key: "actions",
      title: "",
      align: "end",
      width: "3rem",
      cell: bucket => <Actions bucket={bucket} choose={to => setChosen({ bucket, to })} />,
    },
  ]
  return (
    <>
      <Trouble error={error} title="The buckets cannot be read" onRetry={() => void refetch()} />
      <Trouble error={sync.error} title="The default pool could not be asked" />
      {list === undefined ? (
        error === null && <Placeholder />
      ) : (
        <DataTable
          of="buckets"
          rows={list.buckets}
          id={bucket => bucket.name}
          columns={columns}
          tools={
            <>
              <Switch
                size="xs"
                label="Count objects"
                checked={counts}
                onChange={event => setCounts(event.currentTarget.checked)}
              />
              <Button
                size="xs"
                variant="default"
                leftSection={<IconRefresh size={14} />}
                loading={sync.isPending}
                onClick={() => sync.mutate()}
              >
                Sync
              </Button>
            </>
          }
          empty={
            <Empty
              title="No buckets are known"
              action={
                <Button size="sm" loading={sync.isPending} onClick={() => sync.mutate()}>
                  Sync now
                </Button>
              }
            >
              {list.last_synced_at === null ? "The default pool was not asked yet." : "The default pool lists none."}
            </Empty>
          }
        />
      )}
      {list !== undefined && (
        <Group justify="flex-end">
          <Text size="xs" c="dimmed">
            synced <Time at={list.last_synced_at} />
          </Text>
        </Group>
      )}
      <Orphans vhost={vhost} />
      {chosen !== null && (
        <>
          <Promote opened={chosen.to === "route"} onClose={close} bucket={chosen.bucket.name} vhosts={[vhost]} />
          <RemoveRoute opened={chosen.to === "remove route"} onClose={close} bucket={chosen.bucket} vhost={vhost} />
          <Ignore opened={chosen.to === "ignore"} onClose={close} bucket={chosen.bucket} vhost={vhost} />
        </>
      )}
    </>
  )
}

function objects(bucket: Bucket) {
  if (bucket.object_count === null)
    return <span title={bucket.count_error ?? undefined}>{bucket.count_error === null ? "—" : "not counted"}</span>
  const count = bucket.object_count.toLocaleString("en")
  return bucket.count_complete === false ? `${count} or more` : count
}

function Actions({ bucket, choose }: { bucket: Bucket; choose: (to: Doing) => void }) {
  const isRouted = bucket.routed_pool_id !== null
  if (bucket.status === "migrating") return null
  return (
    <RowMenu of={bucket.name}>
      {!isRouted && bucket.status !== "deleted" && (
        <Menu.Item onClick={() => choose("route")}>Route to a pool</Menu.Item>
      )}
      {bucket.status === "unrouted" && <Menu.Item onClick={() => choose("ignore")}>Ignore</Menu.Item>}
      {isRouted && bucket.status === "routed" && (
        <Menu.Item
          component={Link}
          to={`/web/migrations?new&src=${bucket.routed_pool_id}&bucket=${encodeURIComponent(bucket.name)}`}
        >
          Move to another pool
        </Menu.Item>
      )}
      {isRouted && (
        <Menu.Item c="var(--mantine-color-error)" onClick={() => choose("remove route")}>
          Remove the route
        </Menu.Item>
      )}
    </RowMenu>
  )
}

interface DialogProps {
  opened: boolean
  onClose: () => void
  bucket: Bucket
  vhost: Vhost
}

function RemoveRoute({ opened, onClose, bucket, vhost }: DialogProps) {
  const client = useQueryClient()
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Remove the route of ${bucket.name}?`}
      changes
      verb="Remove the route"
      act={async insisted => {
        const query = insisted === null ? {} : { [insisted]: true }
        const params = { path: { vhost_id: vhost.id, bucket: bucket.name }, query }
        await body(api.DELETE("/api/vhosts/{vhost_id}/buckets/{bucket}/route", { params }))
        await client.invalidateQueries()
        done(`${bucket.name} has no route of its own any more.`)
      }}
    >
      After the next reload the default pool serves {bucket.name}, and no longer {bucket.pool_name}. No object is
      touched.
    </Confirm>
  )
}

function Ignore({ opened, onClose, bucket, vhost }: DialogProps) {
  const client = useQueryClient()
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Ignore ${bucket.name}?`}
      verb="Ignore it"
      harmless
      act={async () => {
        const params = { path: { vhost_id: vhost.id, bucket: bucket.name } }
        await body(api.POST("/api/vhosts/{vhost_id}/buckets/{bucket}/ignore", { params }))
        await client.invalidateQueries()
        done(`${bucket.name} is ignored. A route ends that.`)
      }}
    >
      It is no longer counted as a bucket without a route. The default pool goes on serving it.
    </Confirm>
  )
}
