import { Progress, Text } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"

import type { Route, Vhost } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { Problem } from "../../api/problem"
import { queries, usePools } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import { done } from "../../components/toast"
import type { Insisted } from "../../forms/insist"

interface Props {
  onClose: () => void
  vhost: Vhost
  routes: readonly Route[]
}

/** So many are asked for at the same time: the orchestrator tests those that wait together. */
const AT_ONCE = 8
/** So many prefixes are written out. */
const NAMED = 6
/** So many refusals are written out. */
const TOLD = 3

/** Deletes routes, each by itself: what is refused stays, with the reason, and the others go. */
export function DeleteRoutes({ onClose, vhost, routes }: Props) {
  const { refetch } = useQuery(queries.routes(vhost.id))
  const [count, setCount] = useState(0)
  // Those that are gone already are not asked for again after a refusal.
  const [left, setLeft] = useState(routes)
  const [first] = left
  const what = left.length === 1 && first !== undefined ? `route ${first.path_prefix}` : `${left.length} routes`
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Delete ${what}?`}
      changes
      verb={left.length === 1 ? "Delete route" : `Delete ${left.length} routes`}
      act={async insisted => {
        setCount(0)
        const refused = await removeAll(left, insisted, () => setCount(before => before + 1))
        await refetch()
        if (refused.length > 0) {
          setLeft(refused.map(one => one.route))
          throw new Problem(409, words(refused))
        }
        done(left.length === 1 ? `Route ${first?.path_prefix ?? ""} is deleted.` : `${left.length} routes are deleted.`)
      }}
    >
      <Consequence vhost={vhost} routes={left} />
      {count > 0 && <Progress mt="sm" value={(100 * count) / left.length} aria-label="Routes that were asked for" />}
    </Confirm>
  )
}

function Consequence({ vhost, routes }: Omit<Props, "onClose">) {
  const fallback = usePools().find(pool => pool.id === vhost.default_pool_id)
  const prefixes = routes.slice(0, NAMED).map(route => route.path_prefix)
  const more = routes.length - prefixes.length
  const others = [...new Set(routes.filter(route => route.pool_id !== fallback?.id).map(route => route.pool_name))]
  return (
    <Text size="sm" className="breakable">
      After the next reload requests for {prefixes.join(", ")}
      {more > 0 && ` and ${more.toLocaleString("en")} more`}{" "}
      {fallback === undefined
        ? "are answered with 404: this vhost has no default pool."
        : others.length === 0
          ? `still go to ${fallback.name}, the default pool.`
          : `go to ${fallback.name}, the default pool, and no longer to ${others.slice(0, NAMED).join(", ")}.`}{" "}
      No object is touched.
    </Text>
  )
}

interface Refusal {
  route: Route
  reason: Problem
}

async function removeAll(routes: readonly Route[], insisted: Insisted | null, tell: () => void): Promise<Refusal[]> {
  const waiting = routes.values()
  const refused: Refusal[] = []
  const work = async () => {
    for (const route of waiting) {
      try {
        await remove(route, insisted)
      } catch (thrown) {
        refused.push({ route, reason: Problem.from(thrown) })
      }
      tell()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return refused
}

function remove(route: Route, insisted: Insisted | null) {
  const query = insisted === null ? {} : { [insisted]: true }
  const path = { vhost_id: route.vhost_id, route_id: route.id }
  return body(
    api.DELETE("/api/vhosts/{vhost_id}/routes/{route_id}", { params: { path, query, header: ifMatch(route) } }),
  )
}

function words(refused: readonly Refusal[]): string {
  if (refused.length === 1) return refused[0]?.reason.message ?? ""
  const told = refused.slice(0, TOLD).map(one => `${one.route.path_prefix}: ${one.reason.message}`)
  const more = refused.length - told.length
  return [`${refused.length} routes were not deleted.`, ...told, ...(more > 0 ? [`and ${more} more`] : [])].join("\n")
}
