import { Button, Group } from "@mantine/core"
import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import type { Migration } from "../../api/client"
import { api, body } from "../../api/client"
import { Confirm } from "../../components/confirm"
import { done } from "../../components/toast"

type Side = "source" | "destination"

/** Ends a split of reads and writes that 0.4.x left in nginx, on the side that the operator chooses. */
export function Adopt({ migration }: { migration: Migration }) {
  const client = useQueryClient()
  const [side, setSide] = useState<Side | null>(null)
  const names = { source: migration.src_pool_name, destination: migration.dst_pool_name }
  return (
    <Group gap="xs">
      <Button size="xs" variant="default" onClick={() => setSide("source")}>
        Stay on {names.source}
      </Button>
      <Button size="xs" variant="default" onClick={() => setSide("destination")}>
        Move to {names.destination}
      </Button>
      <Confirm
        opened={side !== null}
        onClose={() => setSide(null)}
        title={`End the split of ${migration.bucket}?`}
        verb="End the split"
        harmless
        act={async () => {
          if (side === null) return
          const params = { path: { migration_id: migration.id } }
          await body(api.POST("/api/migrations/{migration_id}/adopt", { params, body: { to: side } }))
          await client.invalidateQueries({ queryKey: ["db"] })
          done(`The split of ${migration.bucket} is being ended; a migration of its own does it.`)
        }}
      >
        What clients wrote to {names.destination} since the split is carried to {names.source} first, while they go on.
        Then {names.source} serves the bucket
        {side === "destination" ? `, and it moves to ${names.destination} as any other bucket does.` : "."} Nothing that
        a client was told is written is lost.
      </Confirm>
    </Group>
  )
}
