import { Alert, Group, List, Stack, Text } from "@mantine/core"
import { IconAlertTriangle, IconCheck, IconX } from "@tabler/icons-react"

import type { ConfigPlan } from "../../api/client"
import { Copy } from "../../components/copy"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Section } from "../../components/page"
import { SideBySide } from "../../components/side-by-side"
import troubleClasses from "../../components/trouble.module.css"

type Change = ConfigPlan["changes"][number]

const COLUMNS: Column<Change>[] = [
  { key: "action", title: "Do", value: change => change.action },
  {
    key: "place",
    title: "What",
    value: change => change.place,
    cell: change => <span className="mono breakable">{change.place}</span>,
  },
  {
    key: "fields",
    title: "Fields",
    value: fields,
    cell: change => <span className="breakable">{fields(change)}</span>,
    wide: true,
  },
]

function fields(change: Change): string {
  const told = change.fields.map(one => `${one.field}: ${one.before ?? "nothing"} → ${one.after ?? "nothing"}`)
  return told.join("; ")
}

/** What an apply would do, and why it might not. */
export function Plan({ plan, unchanged }: { plan: ConfigPlan; unchanged: string }) {
  const refused = plan.nginx !== null && !plan.nginx.ok
  return (
    <Stack role="region" aria-label="Plan" aria-live="polite">
      {!plan.changed ? (
        <Alert color="green" icon={<IconCheck />} title={unchanged}>
          An apply would change nothing.
        </Alert>
      ) : (
        <Section
          title={`${plan.changes.length.toLocaleString("en")} ${plan.changes.length === 1 ? "change" : "changes"}`}
        >
          <DataTable
            of="changes"
            rows={plan.changes}
            id={change => `${change.action} ${change.place}`}
            // What is made or deleted has no fields that change.
            columns={plan.changes.some(change => change.fields.length > 0) ? COLUMNS : COLUMNS.slice(0, 2)}
            filterable={plan.changes.length > 8}
          />
        </Section>
      )}
      {plan.needs_migration.length > 0 && (
        <Alert color="yellow" icon={<IconAlertTriangle />} title="These buckets must be moved with their objects first">
          <List size="sm" spacing="xs">
            {plan.needs_migration.map(one => (
              <List.Item key={one.vhost + one.path_prefix}>
                <Text size="sm" className="breakable">
                  {one.vhost} {one.path_prefix}, from {one.from_pool} to {one.to_pool ?? "nobody"}: {one.reason}
                </Text>
                {one.command !== null && (
                  <Group gap={4} wrap="nowrap">
                    <code className="breakable">{one.command}</code>
                    <Copy text={one.command} of="the command" />
                  </Group>
                )}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      {refused && (
        <Alert color="red" icon={<IconX />} title="nginx refuses it">
          <pre className={troubleClasses.words}>{plan.nginx?.output}</pre>
        </Alert>
      )}
      <Told title="Not seen" all={plan.warnings} />
      <Told title="Only here, and left as it is" all={plan.unmanaged} />
      {plan.files.length > 0 && (
        <Section title="nginx's files">
          <SideBySide text={plan.files.map(file => file.diff).join("\n")} label="What nginx's files would change" />
          {plan.more_files > 0 && (
            <Text size="sm" c="dimmed">
              {plan.more_files} more files would change.
            </Text>
          )}
        </Section>
      )}
    </Stack>
  )
}

/** More lines are counted only. */
const MOST = 50

function Told({ title, all }: { title: string; all: string[] }) {
  if (all.length === 0) return null
  return (
    <Section title={title}>
      <List size="sm" className="breakable">
        {all.slice(0, MOST).map(line => (
          <List.Item key={line}>{line}</List.Item>
        ))}
        {all.length > MOST && <List.Item>and {all.length - MOST} more</List.Item>}
      </List>
    </Section>
  )
}
