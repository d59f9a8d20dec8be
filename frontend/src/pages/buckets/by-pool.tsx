import { Anchor, Button, Group, Select, Stack, Text } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { Link, useSearchParams } from "react-router"

import type { HeldBucket, Pool } from "../../api/client"
import { api, body } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import { CodeBlock } from "../../components/code-block"
import { DataTable } from "../../components/data-table"
import { Dialog } from "../../components/dialog"
import { Empty } from "../../components/empty"
import { Placeholder } from "../../components/page"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"
import { Trouble } from "../../components/trouble"
import { Promote } from "./promote"
import { Purge } from "./purge"

/** What the nodes of one pool hold. */
export function ByPool() {
  const pools = usePools().filter(pool => pool.type === "nanio")
  const [search, setSearch] = useSearchParams()
  const pool = pools.find(one => String(one.id) === search.get("pool")) ?? pools[0]
  if (pool === undefined)
    return <Empty title="There are no nanio pools">Only their nodes can be asked for buckets.</Empty>
  return (
    <Stack>
      <Select
        label="Pool"
        w={320}
        maw="100%"
        searchable
        allowDeselect={false}
        data={pools.map(one => ({ value: String(one.id), label: one.name }))}
        value={String(pool.id)}
        onChange={id => setSearch({ by: "pool", ...(id === null ? {} : { pool: id }) })}
      />
      <Held key={pool.id} pool={pool} />
    </Stack>
  )
}

const HEALTH: Record<HeldBucket["status"], Health> = {
  routed: "good",
  via_default: "good",
  migrating: "warn",
  orphaned: "warn",
  unrouted: "idle",
}

function Held({ pool }: { pool: Pool }) {
  const { data: held, error, refetch, isFetching } = useQuery(queries.poolBuckets(pool.id))
  const [chosen, setChosen] = useState<{ bucket: string; to: "route" | "purge" | "objects" } | null>(null)
  const close = () => setChosen(null)
  if (held === undefined) {
    return error === null ? (
      <Placeholder />
    ) : (
      <Trouble error={error} title={`The nodes of ${pool.name} could not be asked`} onRetry={() => void refetch()} />
    )
  }
  const servedBy = (bucket: HeldBucket) => [
    ...bucket.routed_in.map(vhost => `${vhost.server_name} (route)`),
    ...bucket.default_vhosts.map(vhost => `${vhost.server_name} (default pool)`),
  ]
  return (
    <>
      <DataTable
        of="buckets"
        rows={held.buckets}
        id={bucket => bucket.bucket}
        columns={[
          {
            key: "bucket",
            title: "Bucket",
            value: bucket => bucket.bucket,
            cell: bucket => (
              <>
                <span className="mono breakable">{bucket.bucket}</span>
                {/* The column that says so is not there then. */}
                <Text size="xs" c="dimmed" hiddenFrom="sm" data-under>
                  serves <Served by={servedBy(bucket)} migration={bucket.migration_id} />
                </Text>
              </>
            ),
          },
          {
            key: "status",
            title: "Status",
            value: bucket => bucket.status,
            cell: bucket => <Status health={HEALTH[bucket.status]}>{bucket.status.replace("_", " ")}</Status>,
          },
          {
            key: "by",
            title: "Serves",
            wide: true,
            value: bucket => [...servedBy(bucket), bucket.migration_id].join(", "),
            cell: bucket => <Served by={servedBy(bucket)} migration={bucket.migration_id} />,
          },
          {
            key: "act",
            title: "",
            align: "end",
            cell: ({ bucket, status }) => (
              <Group gap={6} justify="flex-end">
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-label={`Objects of ${bucket}`}
                  onClick={() => setChosen({ bucket, to: "objects" })}
                >
                  Objects
                </Button>
                {status !== "routed" && status !== "migrating" && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`Route ${bucket}`}
                    onClick={() => setChosen({ bucket, to: "route" })}
                  >
                    Route
                  </Button>
                )}
                {(status === "orphaned" || status === "unrouted") && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`Delete the objects of ${bucket}`}
                    onClick={() => setChosen({ bucket, to: "purge" })}
                  >
                    Delete
                  </Button>
                )}
              </Group>
            ),
          },
        ]}
        tools={
          <Button size="xs" variant="default" loading={isFetching} onClick={() => void refetch()}>
            Ask again
          </Button>
        }
        empty={<Empty title="Its nodes hold no buckets" />}
      />
      {chosen !== null && (
        <>
          <Promote opened={chosen.to === "route"} onClose={close} bucket={chosen.bucket} vhosts={held.all_vhosts} />
          <Dialog opened={chosen.to === "objects"} onClose={close} size="lg" title={`${chosen.bucket} on ${pool.name}`}>
            {chosen.to === "objects" && <Objects pool={pool} bucket={chosen.bucket} />}
          </Dialog>
          <Purge
            opened={chosen.to === "purge"}
            onClose={close}
            bucket={chosen.bucket}
            pool={pool.name}
            purge={() =>
              body(
                api.POST("/api/pools/{pool_id}/buckets/{bucket}/purge", {
                  params: { path: { pool_id: pool.id, bucket: chosen.bucket } },
                }),
              )
            }
          />
        </>
      )}
    </>
  )
}

/** Who is served from it, and the migration that reads or writes it here. */
function Served({ by, migration }: { by: readonly string[]; migration: number | null }) {
  if (migration === null) return by.join(", ") || "nobody"
  return (
    <>
      {by.map(one => `${one}, `)}
      <Anchor component={Link} inherit to={`/web/migrations?migration=${migration}`}>
        migration {migration}
      </Anchor>
    </>
  )
}

function Objects({ pool, bucket }: { pool: Pool; bucket: string }) {
  const { data: found, error } = useQuery(queries.objects(pool.id, bucket))
  if (found === undefined)
    return error === null ? <Placeholder /> : <Trouble error={error} title="The objects cannot be listed" />
  if (found.count === 0) return <Text size="sm">It is empty.</Text>
  return (
    <CodeBlock
      name={
        found.truncated
          ? `the first ${found.count.toLocaleString("en")} keys`
          : `${found.count.toLocaleString("en")} keys`
      }
      text={found.objects.join("\n")}
    />
  )
}
