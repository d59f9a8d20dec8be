import type { Topology } from "../../api/client"
import type { Health } from "../../components/status"

type Pool = Topology["pools"][number]
type Vhost = Topology["vhosts"][number]
type Member = Topology["members"][number]

/** What one vhost sends to one pool: some routes, or everything else. */
export interface Way {
  key: string
  vhost: Vhost
  pool: Pool
  label: string
  /** No request takes it now. */
  off: boolean
}

export interface Placed<T> {
  item: T
  y: number
  height: number
}

export interface Picture {
  height: number
  vhosts: Placed<Vhost>[]
  ways: Placed<Way>[]
  pools: Placed<Pool>[]
  members: Placed<Member>[]
}

const ROW = 34
const GAP = 12
/** More of anything than this is drawn as a field of small squares. */
const FEW = 24

/** Whether every name can be read at a glance. */
export function isSmall(topology: Topology): boolean {
  const { vhosts, pools } = topology.totals
  return (
    vhosts <= FEW &&
    pools <= FEW &&
    topology.members.length === topology.totals.members &&
    ways(topology).length <= 2 * FEW
  )
}

/** How a pool fares, in a word. */
export function poolHealth(pool: Pool): { health: Health; word: string } {
  if (pool.members === 0) return { health: "idle", word: "no members" }
  if (pool.enabled === 0) return { health: "idle", word: "all members off" }
  if (pool.unreachable === pool.enabled) return { health: "bad", word: "unreachable" }
  if (pool.unreachable > 0) return { health: "warn", word: `${pool.unreachable} of ${pool.enabled} unreachable` }
  if (pool.reachable < pool.enabled) return { health: "idle", word: "not looked at yet" }
  return { health: "good", word: pool.enabled === 1 ? "reachable" : `all ${pool.enabled} reachable` }
}

/** The worst that can be said of the pools that a vhost uses. */
export function vhostHealth(topology: Topology, vhost: Vhost): Health {
  if (!vhost.enabled) return "idle"
  const used = new Set(ways(topology).flatMap(way => (way.vhost.id === vhost.id && !way.off ? [way.pool.id] : [])))
  const healths = topology.pools.filter(pool => used.has(pool.id)).map(pool => poolHealth(pool).health)
  return (["bad", "warn", "good"] as const).find(health => healths.includes(health)) ?? "idle"
}

/** Every way from a vhost to a pool. */
export function ways(topology: Topology): Way[] {
  const pools = new Map(topology.pools.map(pool => [pool.id, pool]))
  return topology.vhosts.flatMap(vhost => {
    const own = topology.routes.filter(bundle => bundle.vhost_id === vhost.id)
    const routed = own.flatMap(bundle => {
      const pool = pools.get(bundle.pool_id)
      if (pool === undefined) return []
      const more = bundle.enabled + bundle.disabled - 1
      const label = more === 0 ? bundle.example : `${bundle.example} and ${more.toLocaleString("en")} more`
      return [{ key: `${vhost.id}-${pool.id}`, vhost, pool, label, off: bundle.enabled === 0 || !vhost.enabled }]
    })
    const pool = vhost.default_pool_id === null ? undefined : pools.get(vhost.default_pool_id)
    if (pool === undefined) return routed
    const label = own.length === 0 ? "everything" : "everything else"
    return [...routed, { key: `${vhost.id}-default`, vhost, pool, label, off: !vhost.enabled }]
  })
}

/** Where everything stands: vhosts beside their ways, pools beside their members, all columns centred. */
export function draw(topology: Topology): Picture {
  const all = ways(topology)
  const vhosts: Placed<Vhost>[] = []
  const placedWays: Placed<Way>[] = []
  let y = 0
  for (const vhost of topology.vhosts) {
    const own = all.filter(way => way.vhost.id === vhost.id)
    const height = Math.max(1, own.length) * ROW
    vhosts.push({ item: vhost, y, height })
    own.forEach((way, index) => placedWays.push({ item: way, y: y + index * ROW, height: ROW }))
    y += height + GAP
  }
  const left = Math.max(0, y - GAP)
  // Pools in the order in which ways reach them cross the fewest lines.
  const order = new Map<number, number>()
  for (const way of all) if (!order.has(way.pool.id)) order.set(way.pool.id, order.size)
  const rank = (pool: Pool) => order.get(pool.id) ?? order.size
  const pools: Placed<Pool>[] = []
  const members: Placed<Member>[] = []
  y = 0
  for (const pool of topology.pools.toSorted((a, b) => rank(a) - rank(b))) {
    const own = topology.members.filter(member => member.pool_id === pool.id)
    const height = Math.max(1, own.length) * ROW
    pools.push({ item: pool, y, height })
    own.forEach((member, index) => members.push({ item: member, y: y + index * ROW, height: ROW }))
    y += height + GAP
  }
  const right = Math.max(0, y - GAP)
  const height = Math.max(left, right, ROW)
  const centred = <T>(placed: Placed<T>[], used: number) =>
    placed.map(one => ({ ...one, y: one.y + (height - used) / 2 }))
  return {
    height,
    vhosts: centred(vhosts, left),
    ways: centred(placedWays, left),
    pools: centred(pools, right),
    members: centred(members, right),
  }
}

/** The pools and vhosts whose files are not as they were written, by the name of the file. */
export function drifted(files: readonly { path: string; drifted: boolean }[]): {
  pools: Set<string>
  vhosts: Set<string>
} {
  const found = { pools: new Set<string>(), vhosts: new Set<string>() }
  for (const file of files) {
    const [, kind, name] = /\/(pools|vhosts)\/(.+?)(?:\.meta\.json|\.conf)$/.exec(file.path) ?? []
    if (file.drifted && name !== undefined) (kind === "pools" ? found.pools : found.vhosts).add(name)
  }
  return found
}
