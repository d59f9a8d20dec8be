import type { Pool } from "../../api/client"
import { api, body } from "../../api/client"
import { usePools } from "../../api/queries"
import type { components } from "../../api/schema"
import type { Way } from "../../forms/entity-form"
import { FormDialog } from "../../forms/entity-form"
import type { FieldSpec } from "../../forms/field"
import type { Insisted } from "../../forms/insist"

interface Props {
  opened: boolean
  onClose: () => void
  bucket: string
  /** The vhosts that could get the route; the first one is proposed. */
  vhosts: { id: number; server_name: string }[]
}

function fields(pools: Pool[], vhosts: Props["vhosts"]): FieldSpec[] {
  return [
    {
      name: "vhost_id",
      label: "Vhost",
      kind: "choice",
      numeric: true,
      required: true,
      when: () => vhosts.length > 1,
      options: vhosts.map(vhost => ({ value: String(vhost.id), label: vhost.server_name })),
    },
    {
      name: "pool_id",
      label: "Pool",
      kind: "choice",
      numeric: true,
      required: true,
      placeholder: "Choose a pool",
      options: pools.filter(pool => pool.type === "nanio").map(pool => ({ value: String(pool.id), label: pool.name })),
    },
    {
      name: "migrate",
      label: "Move the objects first",
      kind: "switch",
      about:
        "The pool that serves the bucket now goes on until everything is at the other one. Off: only the route is made.",
    },
  ]
}

/** What is offered when objects would stay behind. */
function ways(refused: Insisted): Way[] {
  if (refused !== "allow_orphan") return []
  return [
    { verb: "Enable migration & route", values: { migrate: true } },
    { verb: "Route without migration", values: { migrate: false, allow_orphan: true } },
  ]
}

/** Gives a bucket a route of its own. */
export function Promote({ opened, onClose, bucket, vhosts }: Props) {
  const pools = usePools()
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={`Route ${bucket}`}
      fields={fields(pools, vhosts)}
      start={{ vhost_id: vhosts[0]?.id ?? null, pool_id: null, migrate: true }}
      save={({ vhost_id, ...sent }) =>
        body(
          api.POST("/api/vhosts/{vhost_id}/buckets/{bucket}/promote", {
            params: { path: { vhost_id: Number(vhost_id ?? vhosts[0]?.id), bucket } },
            body: sent as never,
          }),
        )
      }
      verb="Route it"
      ways={ways}
      said={({ pool_id }, answer) => {
        const { migration_id, pool } = answer as components["schemas"]["PromotedBucket"]
        const wanted = pools.find(one => one.id === pool_id)?.name ?? "the new pool"
        return migration_id === null
          ? `${bucket} is served by ${pool} after the next reload.`
          : `Migration ${migration_id} moves ${bucket} from ${pool} to ${wanted}.`
      }}
      onDone={onClose}
    />
  )
}
