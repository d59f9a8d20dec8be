import type { Pool } from "../../api/client"
import { api, body } from "../../api/client"
import { usePools } from "../../api/queries"
import type { components } from "../../api/schema"
import { FormDialog } from "../../forms/entity-form"
import type { FieldSpec } from "../../forms/field"

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

/** Gives a bucket a route of its own. */
export function Promote({ opened, onClose, bucket, vhosts }: Props) {
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={`Route ${bucket}`}
      fields={fields(usePools(), vhosts)}
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
      said={(_, answer) => {
        const { migration_id, pool } = answer as components["schemas"]["PromotedBucket"]
        return migration_id === null
          ? `${bucket} is served by ${pool} after the next reload.`
          : `Migration ${migration_id} moves ${bucket} to ${pool}.`
      }}
      onDone={onClose}
    />
  )
}
