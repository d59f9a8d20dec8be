import { Anchor, Group, Stack, Text } from "@mantine/core"
import type { ReactNode } from "react"
import { useMemo, useState } from "react"
import { Link } from "react-router"

import type { Topology } from "../../api/client"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"
import classes from "./field.module.css"
import { poolHealth, vhostHealth, ways } from "./model"
import type { Drifted } from "./topology"

/** So many names are written out. */
const NAMED = 8

/** A gateway too large to write every name: a square each, and the names of those that need a look. */
export function Field({ topology, drifted }: { topology: Topology; drifted: Drifted }) {
  const all = useMemo(() => ways(topology), [topology])
  const [vhost, setVhost] = useState<number | null>(null)
  const [pool, setPool] = useState<number | null>(null)
  const lit = {
    pools: new Set(all.filter(way => way.vhost.id === vhost).map(way => way.pool.id)),
    vhosts: new Set(all.filter(way => way.pool.id === pool).map(way => way.vhost.id)),
  }
  const isOff = vhost !== null || pool !== null
  const byName = topology.pools.toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
  const troubled = topology.pools.filter(
    one => ["bad", "warn"].includes(poolHealth(one).health) || drifted.pools.has(one.name),
  )
  const looked =
    all.find(way => way.vhost.id === vhost)?.vhost.server_name ?? all.find(way => way.pool.id === pool)?.pool.name
  const { totals } = topology
  return (
    <Stack className="panel" p="md" gap="md">
      <div className={classes.sides}>
        <Side title="Vhosts" shown={topology.vhosts.length} total={totals.vhosts}>
          {topology.vhosts.map(one => (
            <Square
              key={one.id}
              to={`/web/vhosts/${one.id}`}
              health={drifted.vhosts.has(one.server_name) ? "warn" : vhostHealth(topology, one)}
              label={`${one.server_name}${one.enabled ? "" : ", off"}${drifted.vhosts.has(one.server_name) ? ", drift" : ""}`}
              faint={isOff && one.id !== vhost && !lit.vhosts.has(one.id)}
              onLook={is => setVhost(is ? one.id : null)}
            />
          ))}
        </Side>
        <Side title="Pools" shown={topology.pools.length} total={totals.pools}>
          {byName.map(one => (
            <Square
              key={one.id}
              to={`/web/pools/${one.id}`}
              health={poolHealth(one).health}
              label={`${one.name}: ${poolHealth(one).word}${drifted.pools.has(one.name) ? ", drift" : ""}`}
              faint={isOff && one.id !== pool && !lit.pools.has(one.id)}
              onLook={is => setPool(is ? one.id : null)}
            />
          ))}
        </Side>
      </div>
      <Text size="sm" c="dimmed" mih={22} className="breakable">
        {looked === undefined
          ? `${totals.vhosts.toLocaleString("en")} vhosts send ${totals.routes.toLocaleString("en")} routes to ${totals.pools.toLocaleString("en")} pools with ${totals.members.toLocaleString("en")} members. Point at a square to see where it leads.`
          : vhost !== null
            ? `${looked} uses ${lit.pools.size} ${lit.pools.size === 1 ? "pool" : "pools"}: ${named(all.filter(way => way.vhost.id === vhost).map(way => way.pool.name))}`
            : `${looked} serves ${lit.vhosts.size} ${lit.vhosts.size === 1 ? "vhost" : "vhosts"}: ${named(all.filter(way => way.pool.id === pool).map(way => way.vhost.server_name))}`}
      </Text>
      {troubled.length > 0 && (
        <Stack gap={4}>
          <Text size="sm" fw={600}>
            These need a look
          </Text>
          {troubled.slice(0, NAMED).map(one => (
            <Group key={one.id} gap="sm">
              <Status health={poolHealth(one).health}>
                <Anchor component={Link} to={`/web/pools/${one.id}`} size="sm">
                  {one.name}
                </Anchor>
              </Status>
              <Text size="sm" c="dimmed">
                {poolHealth(one).word}
                {drifted.pools.has(one.name) && ", drift"}
              </Text>
            </Group>
          ))}
          {troubled.length > NAMED && (
            <Anchor component={Link} to="/web/pools" size="sm">
              and {troubled.length - NAMED} more
            </Anchor>
          )}
        </Stack>
      )}
    </Stack>
  )
}

function named(names: string[]): string {
  const each = [...new Set(names)]
  const rest = each.length - NAMED
  return rest > 0 ? `${each.slice(0, NAMED).join(", ")} and ${rest} more` : each.join(", ")
}

function Side({ title, shown, total, children }: { title: string; shown: number; total: number; children: ReactNode }) {
  return (
    <Stack gap={6}>
      <Text size="xs" c="dimmed">
        {title} · {shown === total ? total.toLocaleString("en") : `${shown} of ${total.toLocaleString("en")}`}
      </Text>
      <div className={classes.squares}>{children}</div>
    </Stack>
  )
}

interface SquareProps {
  to: string
  health: Health
  label: string
  faint: boolean
  onLook: (is: boolean) => void
}

function Square({ to, health, label, faint, onLook }: SquareProps) {
  return (
    <Link
      to={to}
      className={classes.square}
      data-health={health}
      data-faint={faint || undefined}
      aria-label={label}
      title={label}
      onMouseEnter={() => onLook(true)}
      onMouseLeave={() => onLook(false)}
      onFocus={() => onLook(true)}
      onBlur={() => onLook(false)}
    />
  )
}
