import { Alert, Anchor, Button, Stack, Text } from "@mantine/core"
import { IconAlertTriangle, IconPlus } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { useSearchParams } from "react-router"

import type { Migration } from "../../api/client"
import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import type { components } from "../../api/schema"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Page, Placeholder, Section } from "../../components/page"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { Trouble } from "../../components/trouble"
import { Purge } from "../buckets/purge"
import { DetailDialog } from "./detail"
import { MigrationProgress } from "./progress"
import { StartDialog } from "./start"
import { kindOf, stateOf } from "./words"

export function Component() {
  const { data: migrations, error, refetch } = useQuery(queries.migrations)
  const [search, setSearch] = useSearchParams()
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setSearch("new")}>
      Move a bucket
    </Button>
  )
  const columns: Column<Migration>[] = [
    { key: "id", title: "Id", value: migration => migration.id, wide: true },
    {
      key: "bucket",
      title: "Bucket",
      value: migration => migration.bucket,
      cell: migration => (
        <Anchor
          component="button"
          size="sm"
          fw={600}
          ta="start"
          onClick={() => setSearch({ migration: String(migration.id) })}
        >
          {migration.bucket}
        </Anchor>
      ),
    },
    { key: "way", title: "From → to", value: migration => `${migration.src_pool_name} → ${migration.dst_pool_name}` },
    { key: "kind", title: "Kind", value: kindOf, wide: true },
    {
      key: "state",
      title: "State",
      value: migration => stateOf(migration).word,
      cell: migration => <Status health={stateOf(migration).health}>{stateOf(migration).word}</Status>,
    },
    {
      key: "progress",
      title: "Progress",
      value: migration => migration.objects_done,
      cell: migration => <MigrationProgress migration={migration} />,
      wide: true,
    },
    {
      key: "at",
      title: "Asked for",
      value: migration => migration.created_at,
      cell: migration => <Time at={migration.created_at} />,
      wide: true,
    },
  ]
  const source = Number(search.get("src"))
  return (
    <Page
      title="Migrations"
      about="A migration moves a bucket to another pool while clients read and write it. Nothing is deleted on the source by itself."
      actions={add}
    >
      <Stale />
      <Trouble error={error} title="The migrations cannot be read" onRetry={() => void refetch()} />
      {migrations === undefined ? (
        error === null && <Placeholder />
      ) : (
        <DataTable
          of="migrations"
          rows={migrations}
          id={migration => migration.id}
          columns={columns}
          empty={
            <Empty title="Nothing was moved yet" action={add}>
              A bucket that has a route of its own can be moved to another pool.
            </Empty>
          }
        />
      )}
      <Orphaned />
      <StartDialog
        opened={search.has("new")}
        onClose={() => setSearch({}, { replace: true })}
        source={source > 0 ? source : null}
        bucket={search.get("bucket")}
      />
      <DetailDialog id={Number(search.get("migration")) || null} onClose={() => setSearch({}, { replace: true })} />
    </Page>
  )
}

const REASONS: Record<string, string> = {
  src_no_members: "its source has no enabled member any more",
  dst_no_members: "its destination has no enabled member any more",
  src_bucket_missing: "its bucket is gone from the source",
}

function Stale() {
  const { data: stale } = useQuery(queries.staleMigrations)
  if (stale === undefined || stale.length === 0) return null
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title="These cannot go on">
      <Stack gap={2}>
        {stale.map(one => (
          <Text key={one.migration_id} size="sm">
            Migration {one.migration_id} of {one.bucket}: {REASONS[one.reason] ?? one.reason}. Cancel it, or put that
            right.
          </Text>
        ))}
      </Stack>
    </Alert>
  )
}

type Source = components["schemas"]["OrphanedSource"]

function Orphaned() {
  const { data: sources, error } = useQuery(queries.orphanedSources)
  const [chosen, setChosen] = useState<Source | null>(null)
  if (sources?.length === 0) return null
  return (
    <Section title="Still on the source">
      <Trouble error={error} title="What was left behind cannot be read" />
      {sources === undefined ? (
        error === null && <Placeholder rows={2} />
      ) : (
        <DataTable
          of="copies"
          rows={sources}
          id={one => one.migration_id}
          filterable={sources.length > 8}
          columns={[
            { key: "bucket", title: "Bucket", value: one => one.bucket },
            { key: "pool", title: "Pool", value: one => one.orphaned_source_pool_name },
            {
              key: "since",
              title: "Read by nobody since",
              value: one => one.orphaned_at,
              cell: one => <Time at={one.orphaned_at} />,
            },
            {
              key: "act",
              title: "",
              align: "end",
              cell: one => (
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-label={`Delete the objects of ${one.bucket} on ${one.orphaned_source_pool_name}`}
                  onClick={() => setChosen(one)}
                >
                  Delete the objects
                </Button>
              ),
            },
          ]}
        />
      )}
      {chosen !== null && (
        <Purge
          opened
          onClose={() => setChosen(null)}
          bucket={chosen.bucket}
          pool={chosen.orphaned_source_pool_name}
          purge={() =>
            body(
              api.POST("/api/pools/{pool_id}/buckets/{bucket}/purge", {
                params: { path: { pool_id: chosen.orphaned_source_pool_id, bucket: chosen.bucket } },
              }),
            )
          }
        />
      )}
    </Section>
  )
}
