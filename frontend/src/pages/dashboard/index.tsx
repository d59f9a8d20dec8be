import { Alert, Anchor, Button, Group, SimpleGrid, Skeleton, Stack, Text } from "@mantine/core"
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react"
import type { UseQueryResult } from "@tanstack/react-query"
import { useQuery } from "@tanstack/react-query"
import { Link } from "react-router"

import type { AuditEntry, ConfigStatus, Loop, Migration, Topology } from "../../api/client"
import { queries } from "../../api/queries"
import { Empty } from "../../components/empty"
import { Page, Placeholder, Section } from "../../components/page"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { Trouble } from "../../components/trouble"
import { sentence } from "../audit/sentence"
import classes from "./dashboard.module.css"
import { MigrationProgress } from "../migrations/progress"
import { isOver, stateOf } from "../migrations/words"
import { drifted } from "./model"
import { TopologyPicture } from "./topology"

const RECENT = 8

export function Component() {
  const read = {
    topology: useQuery(queries.topology),
    state: useQuery(queries.state),
    health: useQuery(queries.health),
    loops: useQuery(queries.loops),
    migrations: useQuery(queries.newestMigrations),
    audit: useQuery(queries.audit({ per_page: RECENT })),
  }
  // What comes late would move what is there already: all of it comes at once.
  const isAwaited = Object.values(read).some(answer => answer.isPending)
  return <Page title="Dashboard">{isAwaited ? <Placeholder rows={12} /> : <Sight read={read} />}</Page>
}

interface Read {
  topology: UseQueryResult<Topology>
  state: UseQueryResult<ConfigStatus>
  health: UseQueryResult<{ drift_alerts: number }>
  loops: UseQueryResult<Loop[]>
  migrations: UseQueryResult<Migration[]>
  audit: UseQueryResult<AuditEntry[]>
}

function Sight({ read }: { read: Read }) {
  const { data: counts } = useQuery(queries.bucketCounts)
  const [topology, state] = [read.topology.data, read.state.data]
  const [loops, audit, migrations] = [read.loops.data, read.audit.data, read.migrations.data]
  const moving = (migrations ?? []).filter(migration => !isOver(migration))
  const totals = topology?.totals
  const drift = read.health.data?.drift_alerts
  const undecided = counts?.filter(vhost => vhost.unrouted > 0)
  const answering = totals === undefined ? undefined : totals.members - totals.unreachable
  return (
    <>
      {state !== undefined && <Notices state={state} drift={drift ?? 0} />}
      <SimpleGrid cols={{ base: 2, xs: 4, lg: 8 }} spacing="sm">
        <Tile label="Vhosts" value={totals?.vhosts} to="/web/vhosts" />
        <Tile label="Routes" value={totals?.routes} to="/web/vhosts" />
        <Tile label="Pools" value={totals?.pools} to="/web/pools" />
        <Tile
          label="Members"
          value={totals?.members}
          to="/web/pools"
          note={totals !== undefined && totals.unreachable > 0 ? `${totals.unreachable} unreachable` : undefined}
          bad={answering !== totals?.members}
        />
        <Tile
          label="Unrouted buckets"
          value={undecided?.reduce((sum, vhost) => sum + vhost.unrouted, 0)}
          to={undecided?.[0] === undefined ? "/web/buckets" : `/web/buckets?vhost=${undecided[0].vhost_id}`}
        />
        <Tile label="Moving" value={migrations === undefined ? undefined : moving.length} to="/web/migrations" />
        <Tile
          label="Drift"
          value={drift}
          to="/web/config"
          note={drift ? (drift === 1 ? "file changed" : "files changed") : undefined}
          bad={(drift ?? 0) > 0}
        />
        <Tile
          label="nginx"
          value={state === undefined ? undefined : state.nginx_up ? (state.nginx_version ?? "up") : "down"}
          to="/web/config"
          note={state?.check_mode === "dry-run" ? "dry run" : undefined}
          bad={state?.nginx_up === false && state.check_mode !== "dry-run"}
        />
      </SimpleGrid>
      {moving.length > 0 && (
        <Section title="Moving now">
          <ul className={classes.list}>
            {moving.map(migration => (
              <li key={migration.id}>
                <Link to={`/web/migrations?migration=${migration.id}`} className={classes.entry}>
                  <Status health={stateOf(migration).health}>
                    <span className="breakable">
                      {migration.bucket}: {migration.src_pool_name} → {migration.dst_pool_name},{" "}
                      {stateOf(migration).word}
                    </span>
                  </Status>
                  <MigrationProgress migration={migration} />
                </Link>
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title="Topology">
        <Trouble
          error={read.topology.error}
          title="The topology cannot be shown"
          onRetry={() => void read.topology.refetch()}
        />
        {topology === undefined ? null : topology.totals.pools + topology.totals.vhosts === 0 ? (
          <Empty
            title="This gateway is empty"
            action={
              <Button component={Link} to="/web/pools?new" size="sm">
                New pool
              </Button>
            }
          >
            Begin with a pool of storage nodes, then make a vhost that sends requests to it. If nginx has files of an
            earlier gateway, Config → Rebuild from disk brings it back.
          </Empty>
        ) : (
          <TopologyPicture topology={topology} drifted={drifted(state?.files ?? [])} moving={moving} />
        )}
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Section
          title="Latest changes"
          actions={
            <Anchor component={Link} to="/web/audit" size="sm">
              Audit log
            </Anchor>
          }
        >
          <Trouble error={read.audit.error} title="The audit log cannot be read" />
          {audit !== undefined && <Latest entries={audit} />}
        </Section>
        <Section title="What runs by itself">
          <Trouble error={read.loops.error} title="It cannot be told" />
          {loops !== undefined && <Loops loops={loops} />}
        </Section>
      </SimpleGrid>
    </>
  )
}

/** What wants to be dealt with. */
function Notices({ state, drift }: { state: ConfigStatus; drift: number }) {
  return (
    <>
      {!state.nginx_up && state.check_mode !== "dry-run" && (
        <Alert color="red" title="nginx does not run" icon={<IconAlertTriangle />}>
          Clients get no answer. Start it on the machine: <code>systemctl start nginx</code>
        </Alert>
      )}
      {drift > 0 && (
        <Alert
          color="red"
          icon={<IconAlertTriangle />}
          title={drift === 1 ? "1 file has drifted" : `${drift} files have drifted`}
        >
          <Group justify="space-between" gap="xs" className={classes.notice}>
            <Text size="sm" flex="1 1 20rem">
              Managed files were changed outside the orchestrator. Nothing is corrected by itself: look at the
              differences, then take them over or undo them.
            </Text>
            <Button component={Link} to="/web/config" size="xs" variant="default">
              Look at the differences
            </Button>
          </Group>
        </Alert>
      )}
      {state.pending_reload === true && (
        <Alert color="yellow" icon={<IconRefresh />} title="Changes wait for a reload">
          <Group justify="space-between" gap="xs" className={classes.notice}>
            <Text size="sm" flex="1 1 20rem">
              nginx still runs the configuration from before the latest changes.
            </Text>
            <Button component={Link} to="/web/config?reload" size="xs" variant="default">
              Reload nginx
            </Button>
          </Group>
        </Alert>
      )}
    </>
  )
}

interface TileProps {
  label: string
  value: number | string | undefined
  to: string
  note?: string | undefined
  bad?: boolean
}

function Tile({ label, value, to, note, bad = false }: TileProps) {
  return (
    <Link to={to} className={classes.tile} data-bad={bad || undefined}>
      <span className={classes.label}>{label}</span>
      {value === undefined ? (
        <Skeleton height={28} width={48} />
      ) : (
        <span className={classes.value}>
          {typeof value === "number" ? value.toLocaleString("en") : value}
          {note !== undefined && <span className={classes.note}>{note}</span>}
        </span>
      )}
    </Link>
  )
}

function Latest({ entries }: { entries: AuditEntry[] }) {
  if (entries.length === 0) return <Empty title="Nothing was changed yet" />
  return (
    <ul className={classes.list}>
      {entries.map(entry => (
        <li key={entry.id}>
          <Link to={`/web/audit?entry=${entry.id}`} className={classes.entry}>
            <span className="breakable">{sentence(entry)}</span>
            <span className={classes.when}>
              {entry.actor} · <Time at={entry.created_at} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  )
}

const NAMES: Record<string, string> = {
  backup: "Backup",
  drift: "Drift check",
  reachability: "Reachability",
  audit_retention: "Audit retention",
}

function Loops({ loops }: { loops: Loop[] }) {
  return (
    <ul className={classes.list}>
      {loops.map(loop => (
        <li key={loop.name} className={classes.loop}>
          <Stack gap={0} miw={0}>
            <Status health={loop.last_error !== null ? "bad" : loop.runs > 0 ? "good" : "idle"}>
              {NAMES[loop.name] ?? loop.name}
            </Status>
            <Text size="xs" c={loop.last_error === null ? "dimmed" : "red"} className="breakable">
              {loop.last_error ?? loop.last_result ?? "has not run yet"}
            </Text>
          </Stack>
          <span className={classes.when}>
            every {duration(loop.interval)}
            <br />
            {loop.running ? "runs now" : <Time at={loop.last_run_at} />}
          </span>
        </li>
      ))}
    </ul>
  )
}

/** Seconds as a person says them. */
function duration(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`
  if (seconds % 60 === 0) return `${seconds / 60} min`
  return `${seconds} s`
}
