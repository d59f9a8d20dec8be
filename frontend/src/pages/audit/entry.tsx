import { Badge, Group, Stack, Table, Text } from "@mantine/core"

import type { AuditEntry } from "../../api/client"
import { CodeBlock } from "../../components/code-block"
import { Dialog, useKept } from "../../components/dialog"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { compare } from "./compare"
import classes from "./entry.module.css"
import { sentence } from "./sentence"

/** All that an entry of the audit log holds. */
export function EntryDialog({ entry, onClose }: { entry: AuditEntry | undefined; onClose: () => void }) {
  const shown = useKept(entry ?? null)
  return (
    <Dialog opened={entry !== undefined} onClose={onClose} size="xl" title={shown === null ? "" : sentence(shown)}>
      {shown !== null && <Entry entry={shown} />}
    </Dialog>
  )
}

function Entry({ entry }: { entry: AuditEntry }) {
  const compared = compare(entry.before_json, entry.after_json)
  return (
    <Stack>
      <Group gap="sm">
        <Badge variant="light" color="gray" radius="sm" tt="none">
          {entry.actor}
        </Badge>
        <Text size="sm" c="dimmed">
          entry {entry.id} · {entry.entity_type}
          {entry.entity_id !== null && ` ${entry.entity_id}`} · <Time at={entry.created_at} full />
        </Text>
      </Group>
      {compared.length > 0 && (
        <div className={classes.frame} tabIndex={0} role="group" aria-label="Before and after">
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Field</Table.Th>
                <Table.Th>Before</Table.Th>
                <Table.Th>After</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {compared.map(field => (
                <Table.Tr key={field.name} data-changed={field.changed || undefined} className={classes.row}>
                  <Table.Td>{field.name}</Table.Td>
                  <Table.Td className={classes.value}>{field.before ?? "—"}</Table.Td>
                  <Table.Td className={classes.value}>{field.after ?? "—"}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {entry.nginx_reload_ok !== null && (
        <Status health={entry.nginx_reload_ok ? "good" : "bad"}>
          {entry.nginx_reload_ok ? "nginx accepted" : "nginx refused"}
        </Status>
      )}
      {entry.nginx_reload_output !== null && entry.nginx_reload_output !== "" && (
        <CodeBlock name="nginx's own words" text={entry.nginx_reload_output} />
      )}
    </Stack>
  )
}
