import { Button, Text } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import type { Vhost } from "../../api/client"
import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Placeholder } from "../../components/page"
import { Status } from "../../components/status"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"

/** The buckets of the nanio pool behind an http vhost, and which of them it serves by a route. */
export function Linked({ vhost }: { vhost: Vhost }) {
  const client = useQueryClient()
  const { data: linked, error } = useQuery(queries.linkedBuckets(vhost.id))
  const [removing, setRemoving] = useState<string | null>(null)
  const path = (bucket: string) => ({ path: { vhost_id: vhost.id, bucket } })
  const add = useMutation({
    mutationFn: (bucket: string) =>
      body(api.POST("/api/vhosts/{vhost_id}/http-bucket-routes/{bucket}", { params: path(bucket) })),
    onSuccess: async answer => {
      await client.invalidateQueries()
      done(`${answer.bucket} has a route. nginx uses it after the next reload.`)
    },
  })
  if (linked === undefined)
    return error === null ? <Placeholder /> : <Trouble error={error} title="The buckets cannot be read" />
  return (
    <>
      <Text size="sm" c="dimmed">
        {vhost.server_name} serves the files of {linked.source_nanio_pool_name} over http.
      </Text>
      <Trouble error={add.error} title="No route was made" />
      <DataTable
        of="buckets"
        rows={linked.linked_nanio_buckets}
        id={one => one.bucket}
        columns={[
          { key: "bucket", title: "Bucket", value: one => one.bucket },
          {
            key: "route",
            title: "Route",
            value: one => one.has_route,
            cell: one => <Status health={one.has_route ? "good" : "idle"}>{one.has_route ? "has one" : "none"}</Status>,
          },
          {
            key: "act",
            title: "",
            align: "end",
            cell: one => (
              <Button
                size="compact-xs"
                variant="default"
                loading={add.isPending && add.variables === one.bucket}
                onClick={() => (one.has_route ? setRemoving(one.bucket) : add.mutate(one.bucket))}
                aria-label={`${one.has_route ? "Remove" : "Add"} the route of ${one.bucket}`}
              >
                {one.has_route ? "Remove" : "Add route"}
              </Button>
            ),
          },
        ]}
        empty={
          <Empty title="The nanio pool serves no buckets">
            They appear when a vhost of {linked.source_nanio_pool_name} was synced.
          </Empty>
        }
      />
      <Confirm
        opened={removing !== null}
        onClose={() => setRemoving(null)}
        title={`Remove the route of ${removing ?? ""}?`}
        changes
        verb="Remove the route"
        act={async () => {
          await body(api.DELETE("/api/vhosts/{vhost_id}/http-bucket-routes/{bucket}", { params: path(removing ?? "") }))
          await client.invalidateQueries()
          done(`${removing ?? ""} has no route in ${vhost.server_name} any more.`)
        }}
      >
        After the next reload {vhost.server_name} serves it by the route of its default pool only. No file is touched.
      </Confirm>
    </>
  )
}
