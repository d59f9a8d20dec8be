import { Text } from "@mantine/core"
import { IconAlertTriangle, IconArrowsTransferUp, IconUsers } from "@tabler/icons-react"
import type { ReactNode } from "react"
import { useMemo, useState } from "react"
import { Link } from "react-router"

import type { Migration, Topology } from "../../api/client"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"
import { Field } from "./field"
import type { Placed } from "./model"
import { draw, isSmall, poolHealth, vhostHealth } from "./model"
import classes from "./topology.module.css"

export interface Drifted {
  pools: Set<string>
  vhosts: Set<string>
}

/** What is looked at: the rest fades. */
type Focus = { vhost?: number; pool?: number } | null

interface Props {
  topology: Topology
  drifted: Drifted
  /** Migrations that run. */
  moving: readonly Migration[]
}

/** From clients to storage nodes. */
export function TopologyPicture({ topology, drifted, moving }: Props) {
  return isSmall(topology) ? (
    <Drawing topology={topology} drifted={drifted} moving={moving} />
  ) : (
    <Field topology={topology} drifted={drifted} />
  )
}

/** Left edges and widths of the columns, in percent. */
const AT = { clients: 0, vhosts: 8, ways: 32, pools: 54, members: 77 }
const WIDTH = { clients: 5, vhosts: 20, ways: 18, pools: 19, members: 23 }

function Drawing({ topology, drifted, moving }: Props) {
  const picture = useMemo(() => draw(topology), [topology])
  const [focus, setFocus] = useState<Focus>(null)
  const { ways } = picture
  const vhosts = new Set(ways.filter(way => focus?.pool === way.item.pool.id).map(way => way.item.vhost.id))
  const pools = new Set(ways.filter(way => focus?.vhost === way.item.vhost.id).map(way => way.item.pool.id))
  const faint = {
    vhost: (id: number) => focus !== null && focus.vhost !== id && !vhosts.has(id),
    pool: (id: number) => focus !== null && focus.pool !== id && !pools.has(id),
    way: (vhost: number, pool: number) => focus !== null && focus.vhost !== vhost && focus.pool !== pool,
  }
  const over = (next: Focus) => ({
    onMouseEnter: () => setFocus(next),
    onMouseLeave: () => setFocus(null),
    onFocus: () => setFocus(next),
    onBlur: () => setFocus(null),
  })
  const middle = (placed: Placed<unknown>) => placed.y + placed.height / 2
  const at = new Map(picture.pools.map(pool => [pool.item.id, middle(pool)]))
  return (
    <div
      className={classes.scroller}
      tabIndex={0}
      role="group"
      aria-label="Topology: clients, vhosts, routes, pools, members"
    >
      <div className={classes.canvas}>
        <div className={classes.heads} aria-hidden>
          {(["clients", "vhosts", "ways", "pools", "members"] as const).map(column => (
            <span key={column} style={{ insetInlineStart: `${AT[column]}%` }}>
              {column === "ways" ? "routes" : column}
            </span>
          ))}
        </div>
        <div className={classes.drawing} style={{ height: picture.height }}>
          <svg className={classes.lines} viewBox={`0 0 100 ${picture.height}`} preserveAspectRatio="none" aria-hidden>
            {picture.vhosts.map(vhost => (
              <Line
                key={`c${vhost.item.id}`}
                from={[AT.clients + WIDTH.clients, picture.height / 2]}
                to={[AT.vhosts, middle(vhost)]}
                faint={faint.vhost(vhost.item.id)}
                off={!vhost.item.enabled}
              />
            ))}
            {ways.map(way => (
              <g key={way.item.key}>
                <Line
                  from={[AT.vhosts + WIDTH.vhosts, middle(picture.vhosts.find(v => v.item === way.item.vhost) ?? way)]}
                  to={[AT.ways, middle(way)]}
                  faint={faint.way(way.item.vhost.id, way.item.pool.id)}
                  off={way.item.off}
                />
                <Line
                  from={[AT.ways + WIDTH.ways, middle(way)]}
                  to={[AT.pools, at.get(way.item.pool.id) ?? middle(way)]}
                  faint={faint.way(way.item.vhost.id, way.item.pool.id)}
                  off={way.item.off}
                  health={poolHealth(way.item.pool).health}
                />
              </g>
            ))}
            {picture.members.map(member => (
              <Line
                key={`m${member.item.id}`}
                from={[AT.pools + WIDTH.pools, at.get(member.item.pool_id) ?? 0]}
                to={[AT.members, middle(member)]}
                faint={faint.pool(member.item.pool_id)}
                off={!member.item.enabled}
                health={member.item.reachable === false ? "bad" : "good"}
              />
            ))}
          </svg>
          <Node column="clients" y={picture.height / 2 - 17} height={34}>
            <IconUsers size={16} aria-hidden className={classes.icon} />
          </Node>
          {picture.vhosts.map(vhost => (
            <Node
              key={vhost.item.id}
              column="vhosts"
              y={middle(vhost) - 22}
              height={44}
              to={`/web/vhosts/${vhost.item.id}`}
              faint={faint.vhost(vhost.item.id)}
              {...over({ vhost: vhost.item.id })}
            >
              <Status health={vhostHealth(topology, vhost.item)}>
                <span className={classes.name}>{vhost.item.server_name}</span>
              </Status>
              <span className={classes.small}>
                {vhost.item.enabled ? `${vhost.item.ssl ? "https" : "http"} :${vhost.item.listen_port}` : "off"}
              </span>
              {drifted.vhosts.has(vhost.item.server_name) && <Drift />}
            </Node>
          ))}
          {ways.map(way => (
            <Node
              key={way.item.key}
              column="ways"
              y={way.y + 3}
              height={28}
              quiet
              faint={faint.way(way.item.vhost.id, way.item.pool.id)}
              to={`/web/vhosts/${way.item.vhost.id}`}
            >
              <span className={`${classes.name} mono`}>{way.item.label}</span>
            </Node>
          ))}
          {picture.pools.map(pool => (
            <Node
              key={pool.item.id}
              column="pools"
              y={middle(pool) - 22}
              height={44}
              to={`/web/pools/${pool.item.id}`}
              faint={faint.pool(pool.item.id)}
              {...over({ pool: pool.item.id })}
            >
              <Status health={poolHealth(pool.item).health}>
                <span className={classes.name}>{pool.item.name}</span>
              </Status>
              <span className={classes.small}>{poolHealth(pool.item).word}</span>
              {drifted.pools.has(pool.item.name) && <Drift />}
              {moving.some(migration => migration.src_pool_id === pool.item.id) && <Moving />}
            </Node>
          ))}
          {picture.members.map(member => (
            <Node
              key={member.item.id}
              column="members"
              y={member.y + 3}
              height={28}
              quiet
              to={`/web/pools/${member.item.pool_id}`}
              faint={faint.pool(member.item.pool_id)}
            >
              <Status health={memberHealth(member.item)}>
                <span className={`${classes.name} mono`}>{member.item.address}</span>
              </Status>
            </Node>
          ))}
        </div>
      </div>
      {ways.length === 0 && (
        <Text size="sm" c="dimmed" ta="center" pt="sm">
          No vhost sends anything to a pool yet.
        </Text>
      )}
    </div>
  )
}

function memberHealth(member: Topology["members"][number]): Health {
  if (!member.enabled || member.reachable === null) return "idle"
  return member.reachable ? "good" : "bad"
}

/** The mark of a file that is not as it was written. */
export function Drift() {
  return (
    <span className={classes.drift} title="Its file was changed outside the orchestrator">
      <IconAlertTriangle size={12} aria-hidden /> drift
    </span>
  )
}

/** The mark of a pool that buckets are being moved from. */
function Moving() {
  return (
    <span className={classes.moving} title="A bucket is being moved from here">
      <IconArrowsTransferUp size={12} aria-hidden /> moving
    </span>
  )
}

interface NodeProps {
  column: keyof typeof AT
  y: number
  height: number
  to?: string
  quiet?: boolean
  faint?: boolean
  children: ReactNode
  onMouseEnter?: () => void
  onMouseLeave?: () => void
  onFocus?: () => void
  onBlur?: () => void
}

function Node({ column, y, height, to, quiet, faint, children, ...events }: NodeProps) {
  const looks = {
    className: classes.node,
    "data-quiet": quiet || undefined,
    "data-faint": faint || undefined,
    style: {
      insetInlineStart: `${AT[column]}%`,
      inlineSize: `${WIDTH[column]}%`,
      insetBlockStart: y,
      blockSize: height,
    },
  }
  return to === undefined ? (
    <div {...looks} {...events}>
      {children}
    </div>
  ) : (
    <Link {...looks} {...events} to={to}>
      {children}
    </Link>
  )
}

interface LineProps {
  from: [number, number]
  to: [number, number]
  faint: boolean
  off?: boolean
  health?: Health
}

function Line({ from: [x1, y1], to: [x2, y2], faint, off = false, health = "good" }: LineProps) {
  const bend = (x1 + x2) / 2
  return (
    <path
      className={classes.line}
      d={`M${x1} ${y1} C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`}
      vectorEffect="non-scaling-stroke"
      data-faint={faint || undefined}
      data-off={off || undefined}
      data-health={health}
    />
  )
}
