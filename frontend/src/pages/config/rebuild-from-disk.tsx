import { Button, Checkbox, Group, List, Stack, Table, Text } from "@mantine/core"
import { useMutation, useQuery } from "@tanstack/react-query"
import { useState } from "react"

import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import type { components } from "../../api/schema"
import { Dialog } from "../../components/dialog"
import { Placeholder } from "../../components/page"
import { Trouble } from "../../components/trouble"

type Found = components["schemas"]["RebuildFromDiskPreview"]
type Rebuilt = components["schemas"]["RebuiltFromDisk"]

interface Props {
  opened: boolean
  onClose: () => void
  onDone: (said: { title: string; words: string }) => void
}

/** Makes the database again from the disk, after it was shown what would come of it. */
export function RebuildFromDisk({ opened, onClose, onDone }: Props) {
  return (
    <Dialog
      opened={opened}
      onClose={onClose}
      title="Rebuild the database from disk"
      size="xl"
      closeOnClickOutside={false}
    >
      {opened && <Rebuild onClose={onClose} onDone={onDone} />}
    </Dialog>
  )
}

function Rebuild({ onClose, onDone }: Omit<Props, "opened">) {
  const { data: pools } = useQuery(queries.pools)
  const [force, setForce] = useState(false)
  // What is on disk now, not what was there when the dialog was last open.
  const dry = useQuery({ queryKey: ["dry run"], queryFn: () => rebuild({ dry_run: true }), gcTime: 0, staleTime: 0 })
  const real = useMutation({
    mutationFn: () => rebuild({ force }),
    onSuccess: answer => {
      const { pools_imported, vhosts_imported, routes_imported, warnings } = answer as Rebuilt
      const title = `${pools_imported} pools, ${vhosts_imported} vhosts and ${routes_imported} routes are in the database`
      onDone({ title, words: warnings.join("\n") })
      onClose()
    },
  })
  const found = dry.data as Found | undefined
  const isEmpty = (pools?.length ?? 0) === 0
  return (
    <Stack>
      <Text size="sm">
        Pools, members, vhosts, routes, S3 keys and migrations are read from nginx's files, the sidecars beside them and
        the records of migrations. They replace what the database holds, all or nothing. The audit log stays, and nginx
        is not touched.
      </Text>
      <Trouble error={dry.error} title="The disk cannot be read" />
      {found === undefined ? dry.error === null && <Placeholder rows={4} /> : <Preview found={found} />}
      {!isEmpty && (
        <Checkbox
          color="red"
          label={`Replace the ${pools?.length ?? 0} pools that the database holds, and everything that belongs to them`}
          checked={force}
          onChange={event => setForce(event.currentTarget.checked)}
        />
      )}
      <Trouble error={real.error} title="The database is as it was" />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          color="red"
          disabled={found === undefined || (!isEmpty && !force)}
          loading={real.isPending}
          onClick={() => real.mutate()}
        >
          Rebuild the database
        </Button>
      </Group>
    </Stack>
  )
}

const rebuild = (query: { dry_run?: boolean; force?: boolean }) =>
  body<Found | Rebuilt>(api.POST("/api/config/rebuild-from-disk", { params: { query } }))

function Preview({ found }: { found: Found }) {
  return (
    <Stack gap="sm">
      <Text size="sm" fw={600}>
        The disk holds {found.pools.length} pools, {found.vhosts.length} vhosts, {found.migrations} running and{" "}
        {found.completed_migrations} completed migrations
      </Text>
      <div style={{ maxHeight: "18rem", overflow: "auto" }} tabIndex={0} role="group" aria-label="What the disk holds">
        <Table withRowBorders>
          <Table.Tbody>
            {found.pools.map(pool => (
              <Table.Tr key={`p${pool.name}`}>
                <Table.Td>pool</Table.Td>
                <Table.Td className="breakable">{pool.name}</Table.Td>
                <Table.Td>
                  {pool.type}, {pool.members} members
                  {pool.has_credentials && ", S3 keys"}
                  {!pool.has_sidecar && ", no sidecar"}
                </Table.Td>
              </Table.Tr>
            ))}
            {found.vhosts.map(vhost => (
              <Table.Tr key={`v${vhost.server_name}`}>
                <Table.Td>vhost</Table.Td>
                <Table.Td className="breakable">{vhost.server_name}</Table.Td>
                <Table.Td>
                  {vhost.routes} routes
                  {!vhost.has_default_pool && ", no default pool"}
                  {vhost.has_ip_rules && ", access rules"}
                  {vhost.has_extra_blocks && ", extra blocks"}
                  {!vhost.has_sidecar && ", no sidecar"}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {found.warnings.length > 0 && (
        <>
          <Text size="sm" fw={600}>
            What will not come over
          </Text>
          <List size="sm">
            {found.warnings.map(warning => (
              <List.Item key={warning} className="breakable">
                {warning}
              </List.Item>
            ))}
          </List>
        </>
      )}
    </Stack>
  )
}
