import { useQueryClient } from "@tanstack/react-query"

import { Problem } from "../../api/problem"
import type { components } from "../../api/schema"
import { Confirm } from "../../components/confirm"
import { done } from "../../components/toast"

type Purged =
  components["schemas"]["PoolPurge"] | components["schemas"]["OrphanPurge"] | components["schemas"]["JobRef"]

interface Props {
  opened: boolean
  onClose: () => void
  bucket: string
  pool: string
  /** What is known of its objects there. */
  objects?: string
  purge: () => Promise<Purged>
}

/** Deletes all objects of a bucket that nobody is served from. */
export function Purge({ opened, onClose, bucket, pool, objects = "all objects", purge }: Props) {
  const client = useQueryClient()
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Delete ${objects} of ${bucket} on ${pool}?`}
      verb="Delete the objects"
      act={async () => {
        const purged = await purge()
        await client.invalidateQueries()
        if ("job_id" in purged) {
          done(`Job ${purged.job_id} deletes the objects of ${bucket}; the Jobs tab tells how far it is.`)
          return
        }
        if (!purged.ok)
          throw new Problem(500, `${purged.deleted} of ${purged.total} were deleted. Not: ${purged.errors.join(", ")}`)
        done(`${purged.deleted} objects of ${bucket} are deleted from ${pool}.`)
      }}
    >
      The objects and unfinished uploads of <span className="mono breakable">{bucket}</span> on {pool} are deleted for
      good. The bucket itself stays, empty. The orchestrator refuses while a route, a default pool or a migration serves
      anybody from there.
    </Confirm>
  )
}
