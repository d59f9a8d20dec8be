import { Anchor, Button, Group, Stack, Text } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useEffect, useState } from "react"
import { Link } from "react-router"

import type { Migration } from "../../api/client"
import { api, body } from "../../api/client"
import { Problem } from "../../api/problem"
import { queries } from "../../api/queries"
import { CodeBlock } from "../../components/code-block"
import { Confirm } from "../../components/confirm"
import { Dialog, useKept } from "../../components/dialog"
import { Placeholder } from "../../components/page"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Adopt } from "./adopt"
import { Checks } from "./checks"
import { notePace } from "./pace"
import { MigrationProgress } from "./progress"
import { Throughput } from "./throughput"
import { Timeline } from "./timeline"
import { isOver, kindOf, stateOf } from "./words"

/** All that there is to know of a migration, and what can be done with it. */
export function DetailDialog({ id, onClose }: { id: number | null; onClose: () => void }) {
  const shown = useKept(id)
  const {
    data: migration,
    error,
    dataUpdatedAt,
  } = useQuery({
    ...queries.migration(shown ?? 0),
    enabled: shown !== null,
  })
  useEffect(() => {
    if (migration !== undefined) notePace([migration], dataUpdatedAt)
  }, [migration, dataUpdatedAt])
  const title = migration === undefined ? `Migration ${shown ?? ""}` : `Migration ${migration.id}: ${migration.bucket}`
  return (
    <Dialog opened={id !== null} onClose={onClose} title={title} size="xl">
      {migration !== undefined ? <Detail migration={migration} /> : error === null && <Placeholder />}
      <Trouble error={error} title="The migration cannot be read" />
    </Dialog>
  )
}

function Detail({ migration }: { migration: Migration }) {
  const { data: log, error } = useQuery({
    ...queries.migrationLog(migration.id),
    refetchInterval: isOver(migration) ? false : 2000,
  })
  const { health, word } = stateOf(migration)
  const lines = (log ?? []).map(line => `${line.created_at}  ${line.phase.padEnd(13)}  ${line.message}`)
  return (
    <Stack>
      <Group justify="space-between">
        <Stack gap={2}>
          <Status health={health}>{word}</Status>
          <Text size="sm" c="dimmed" className="breakable">
            {migration.server_name}: {kindOf(migration)} from{" "}
            <Anchor component={Link} underline="always" inherit to={`/web/pools/${migration.src_pool_id}`}>
              {migration.src_pool_name}
            </Anchor>{" "}
            to{" "}
            <Anchor component={Link} underline="always" inherit to={`/web/pools/${migration.dst_pool_id}`}>
              {migration.dst_pool_name}
            </Anchor>
            , {migration.mode} · asked for <Time at={migration.created_at} />
          </Text>
        </Stack>
        <Actions migration={migration} />
      </Group>
      <Timeline migration={migration} log={log ?? []} />
      <MigrationProgress migration={migration} />
      {!isOver(migration) && <Throughput migration={migration} />}
      {migration.error_msg !== null && (
        <Trouble
          error={new Problem(0, migration.error_msg)}
          title={isOver(migration) ? "Why it ended" : "What it waits for"}
        />
      )}
      <Facts migration={migration} />
      {migration.checks.length > 0 && <Checks checks={migration.checks} />}
      <Trouble error={error} title="The log cannot be read" />
      {lines.length > 0 && <CodeBlock name="Log, newest first" text={lines.join("\n")} />}
    </Stack>
  )
}

function Facts({ migration }: { migration: Migration }) {
  const facts = [
    migration.write_hold_ms === null ? null : `Writes waited ${migration.write_hold_ms} ms at most.`,
    migration.waiting_for_workers.length === 0
      ? null
      : `It waits for nginx workers with the configuration of before: ${migration.waiting_for_workers.join(", ")}.`,
    migration.audit === null ? null : `Comparison after the switch: ${migration.audit}.`,
    migration.audit_details.length === 0 ? null : `Keys that differed then: ${migration.audit_details.join(", ")}`,
    migration.updated_http_vhosts.length === 0 ? null : `Followed: ${migration.updated_http_vhosts.join(", ")}.`,
    migration.swept_http_vhosts.length === 0
      ? null
      : `Could not follow, change them by hand: ${migration.swept_http_vhosts.join(", ")}.`,
  ].filter(fact => fact !== null)
  return facts.map(fact => (
    <Text key={fact} size="sm" className="breakable">
      {fact}
    </Text>
  ))
}

function Actions({ migration }: { migration: Migration }) {
  const client = useQueryClient()
  const [cancelling, setCancelling] = useState(false)
  const params = { path: { migration_id: migration.id } }
  const turn = useMutation({
    mutationFn: () =>
      migration.paused
        ? body(api.POST("/api/migrations/{migration_id}/resume", { params }))
        : body(api.POST("/api/migrations/{migration_id}/pause", { params })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["db"] }),
  })
  if (migration.needs_adoption) return <Adopt migration={migration} />
  if (isOver(migration)) return null
  return (
    <Stack gap="xs" align="flex-end">
      <Group gap="xs">
        <Button size="xs" variant="default" loading={turn.isPending} onClick={() => turn.mutate()}>
          {migration.paused ? "Resume" : "Pause"}
        </Button>
        <Button
          size="xs"
          variant="default"
          c="var(--mantine-color-error)"
          disabled={migration.cancelling}
          onClick={() => setCancelling(true)}
        >
          Cancel it
        </Button>
      </Group>
      <Trouble error={turn.error} title="It goes on as before" />
      <Confirm
        opened={cancelling}
        onClose={() => setCancelling(false)}
        title={`Cancel migration ${migration.id}?`}
        verb="Cancel the migration"
        act={async () => {
          await body(api.POST("/api/migrations/{migration_id}/cancel", { params }))
          await client.invalidateQueries({ queryKey: ["db"] })
          done(`Migration ${migration.id} is being cancelled.`)
        }}
      >
        {migration.src_pool_name} goes on serving {migration.bucket}, with every write that a client was told of. What
        was copied to {migration.dst_pool_name} stays there.
      </Confirm>
    </Stack>
  )
}
