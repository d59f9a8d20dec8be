import { expect, test } from "vitest"

import type { Topology } from "../../api/client"
import { draw, drifted, isSmall, poolHealth, vhostHealth, ways } from "./model"

const pool = (id: number, more = {}) => ({
  id,
  name: `pool-${id}`,
  type: "nanio" as const,
  source_nanio_pool_id: null,
  members: 2,
  enabled: 2,
  reachable: 2,
  unreachable: 0,
  ...more,
})
const vhost = (id: number, pool: number | null, more = {}) => ({
  id,
  server_name: `s${id}.test`,
  listen_port: 80,
  ssl: false,
  enabled: true,
  default_pool_id: pool,
  ...more,
})
const bundle = (vhost: number, pool: number, enabled: number, disabled = 0) => ({
  vhost_id: vhost,
  pool_id: pool,
  enabled,
  disabled,
  example: "/a/",
})
const topology = (more: Partial<Topology>): Topology => ({
  vhosts: [vhost(1, 1)],
  routes: [bundle(1, 2, 3)],
  pools: [pool(1), pool(2)],
  members: [],
  totals: { vhosts: 1, routes: 3, pools: 2, members: 0, unreachable: 0 },
  ...more,
})

test("a vhost leads to its routes' pools and, for everything else, to its default pool", () => {
  expect(ways(topology({})).map(way => [way.pool.name, way.label])).toEqual([
    ["pool-2", "/a/ and 2 more"],
    ["pool-1", "everything else"],
  ])
  expect(ways(topology({ routes: [bundle(1, 2, 0, 1)] })).map(way => way.off)).toEqual([true, false])
})

test("a pool is as well as its enabled members", () => {
  expect(poolHealth(pool(1)).health).toBe("good")
  expect(poolHealth(pool(1, { reachable: 1, unreachable: 1 }))).toEqual({ health: "warn", word: "1 of 2 unreachable" })
  expect(poolHealth(pool(1, { reachable: 0, unreachable: 2 })).health).toBe("bad")
  expect(poolHealth(pool(1, { reachable: 1 })).health).toBe("idle")
  expect(poolHealth(pool(1, { members: 0, enabled: 0, reachable: 0 })).word).toBe("no members")
})

test("a vhost fares as its worst pool that a request reaches", () => {
  const down = pool(2, { reachable: 0, unreachable: 2 })
  const all = topology({ pools: [pool(1), down] })
  expect(vhostHealth(all, vhost(1, 1))).toBe("bad")
  expect(vhostHealth(topology({ pools: [pool(1), down], routes: [bundle(1, 2, 0, 1)] }), vhost(1, 1))).toBe("good")
  expect(vhostHealth(all, vhost(1, 1, { enabled: false }))).toBe("idle")
  const unseen = topology({ pools: [pool(1, { reachable: 0 })], routes: [] })
  expect(vhostHealth(unseen, vhost(1, 1)), "nobody has looked yet").toBe("idle")
})

test("nothing is drawn over something else", () => {
  const members = [1, 1, 2].map((of, index) => ({
    id: index,
    pool_id: of,
    address: "a:1",
    enabled: true,
    reachable: null,
  }))
  const picture = draw(topology({ members }))
  for (const column of [picture.vhosts, picture.ways, picture.pools, picture.members]) {
    const sorted = column.toSorted((a, b) => a.y - b.y)
    sorted.forEach((one, index) => {
      expect(one.y).toBeGreaterThanOrEqual(
        index === 0 ? 0 : (sorted[index - 1]?.y ?? 0) + (sorted[index - 1]?.height ?? 0),
      )
      expect(one.y + one.height).toBeLessThanOrEqual(picture.height)
    })
  }
})

test("a large gateway is a field of squares", () => {
  expect(isSmall(topology({}))).toBe(true)
  expect(isSmall(topology({ totals: { vhosts: 1, routes: 3, pools: 300, members: 0, unreachable: 0 } }))).toBe(false)
})

test("a file that has drifted marks its pool or vhost, whichever of its two files it is", () => {
  const found = drifted([
    { path: "/etc/nginx/nanio/pools/a.b.conf", drifted: true },
    { path: "/etc/nginx/nanio/vhosts/*.x.test.meta.json", drifted: true },
    { path: "/etc/nginx/nanio/pools/well.conf", drifted: false },
  ])
  expect([...found.pools, ...found.vhosts]).toEqual(["a.b", "*.x.test"])
})
