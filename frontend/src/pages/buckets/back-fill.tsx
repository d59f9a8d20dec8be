import { useQueryClient } from "@tanstack/react-query"

import type { Vhost } from "../../api/client"
import { api, body } from "../../api/client"
import { Confirm } from "../../components/confirm"
import { done } from "../../components/toast"

interface Props {
  opened: boolean
  onClose: () => void
  vhost: Vhost
  bucket: string
  pool: string
}

/** Has what the default pool still has of a routed bucket carried over to the pool that serves it. */
export function BackFill({ opened, onClose, vhost, bucket, pool }: Props) {
  const client = useQueryClient()
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Carry over what ${pool} still has of ${bucket}?`}
      verb="Carry it over"
      act={async () => {
        const begun = await body(
          api.POST("/api/vhosts/{vhost_id}/buckets/{bucket}/migrate", {
            params: { path: { vhost_id: vhost.id, bucket } },
          }),
        )
        await client.invalidateQueries({ queryKey: ["db"] })
        done(`Migration ${begun.migration_id} carries it over; the Migrations page tells how far it is.`)
      }}
    >
      Objects of <span className="mono breakable">{bucket}</span> that its own pool lacks are copied there while clients
      go on. Nothing is overwritten, and nothing that clients delete meanwhile comes back. But what they deleted before
      is not known: it will be there again.
    </Confirm>
  )
}
