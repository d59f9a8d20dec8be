import { Button, Group, Text } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"

import type { Vhost } from "../../api/client"
import { api, body } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import { DataTable } from "../../components/data-table"
import { Placeholder, Section } from "../../components/page"
import { Trouble } from "../../components/trouble"
import { BackFill } from "./back-fill"
import { Purge } from "./purge"

/** What routed buckets have left on the default pool. Looked for on demand: it asks the nodes. */
export function Orphans({ vhost }: { vhost: Vhost }) {
  const [wanted, setWanted] = useState(false)
  const [chosen, setChosen] = useState<string | null>(null)
  const [filled, setFilled] = useState<string | null>(null)
  const { data: found, error, refetch, isFetching } = useQuery({ ...queries.bucketOrphans(vhost.id), enabled: wanted })
  const pool = usePools().find(one => one.id === vhost.default_pool_id)?.name ?? "the default pool"
  const count = (objects: number, complete: boolean) => `${objects.toLocaleString("en")}${complete ? "" : " or more"}`
  return (
    <Section
      title="Left behind on the default pool"
      actions={
        <Button
          size="xs"
          variant="default"
          loading={isFetching}
          onClick={() => {
            setWanted(true)
            if (wanted) void refetch()
          }}
        >
          Look for orphans
        </Button>
      }
    >
      <Trouble error={error} title="The default pool could not be asked" />
      {!wanted ? (
        <Text size="sm" c="dimmed">
          Objects of routed buckets that {pool} still holds, where no client of this vhost sees them.
        </Text>
      ) : found === undefined ? (
        error === null && <Placeholder rows={2} />
      ) : (
        <>
          <DataTable
            of="orphans"
            rows={found.orphans}
            id={orphan => orphan.bucket}
            filterable={found.orphans.length > 8}
            columns={[
              { key: "bucket", title: "Bucket", value: orphan => orphan.bucket },
              {
                key: "objects",
                title: "Objects",
                align: "end",
                value: orphan => orphan.objects,
                cell: orphan => count(orphan.objects, orphan.count_complete),
              },
              {
                key: "purge",
                title: "",
                align: "end",
                cell: orphan => (
                  <Group gap="xs" justify="flex-end">
                    <Button size="compact-xs" variant="default" onClick={() => setFilled(orphan.bucket)}>
                      Back-fill
                    </Button>
                    <Button size="compact-xs" variant="default" onClick={() => setChosen(orphan.bucket)}>
                      Delete the objects
                    </Button>
                  </Group>
                ),
              },
            ]}
            empty={
              <Text size="sm" c="dimmed">
                Nothing: {found.checked} routed buckets were looked at.
              </Text>
            }
          />
          {found.unchecked.map(one => (
            <Text key={one.bucket} size="sm" className="breakable">
              {one.bucket} could not be looked at: {one.reason}
            </Text>
          ))}
        </>
      )}
      {filled !== null && <BackFill opened onClose={() => setFilled(null)} vhost={vhost} bucket={filled} pool={pool} />}
      {chosen !== null && (
        <Purge
          opened
          onClose={() => setChosen(null)}
          bucket={chosen}
          pool={pool}
          purge={() =>
            body(
              api.POST("/api/vhosts/{vhost_id}/buckets/{bucket}/purge-orphan", {
                params: { path: { vhost_id: vhost.id, bucket: chosen } },
              }),
            )
          }
        />
      )}
    </Section>
  )
}
