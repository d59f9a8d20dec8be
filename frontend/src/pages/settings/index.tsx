import { ActionIcon, Alert, Badge, Button, Group, List, Stack, Text, Tooltip } from "@mantine/core"
import { IconAlertTriangle, IconLock, IconPencil, IconRefresh } from "@tabler/icons-react"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import type { Setting } from "../../api/client"
import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import { Copy } from "../../components/copy"
import { Page, Placeholder, Section } from "../../components/page"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { SettingForm } from "./form"
import classes from "./settings.module.css"

export function Component() {
  const { data: settings, error, refetch } = useQuery(queries.settings)
  const [dialog, setDialog] = useState<"restart" | "rotate" | null>(null)
  const client = useQueryClient()
  const pending = settings?.categories.flatMap(category => category.settings).filter(setting => setting.pending) ?? []
  return (
    <Page
      title="Settings"
      about={
        settings === undefined ? undefined : (
          <>
            Changes go into <span className="mono breakable">{settings.config_file}</span> and come into force with the
            next start.
          </>
        )
      }
      actions={
        <>
          <Button variant="default" onClick={() => setDialog("rotate")}>
            Rotate the secret
          </Button>
          <Button variant="default" leftSection={<IconRefresh size={16} />} onClick={() => setDialog("restart")}>
            Restart
          </Button>
        </>
      }
    >
      <Trouble error={error} title="The settings cannot be read" onRetry={() => void refetch()} />
      {settings !== undefined && settings.problems.length > 0 && (
        <Alert color="red" icon={<IconAlertTriangle />} title="The next start would be refused">
          <List size="sm">
            {settings.problems.map(problem => (
              <List.Item key={problem} className="breakable">
                {problem}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      {pending.length > 0 && (
        <Alert color="yellow" icon={<IconRefresh />} title="A restart is needed">
          <Group justify="space-between">
            <Text size="sm">
              {pending.map(setting => setting.key).join(", ")} {pending.length === 1 ? "waits" : "wait"} for the next
              start.
            </Text>
            <Button size="xs" variant="default" onClick={() => setDialog("restart")}>
              Restart now
            </Button>
          </Group>
        </Alert>
      )}
      {settings === undefined
        ? error === null && <Placeholder rows={8} />
        : settings.categories.map(category => (
            <Section key={category.name} title={category.name}>
              <div className={classes.list}>
                {category.settings.map(setting => (
                  <Row key={setting.key} setting={setting} />
                ))}
              </div>
            </Section>
          ))}
      <Confirm
        opened={dialog === "restart"}
        onClose={() => setDialog(null)}
        title="Restart the orchestrator?"
        verb="Restart"
        act={async () => {
          const answer = await body(api.POST("/api/config/settings/restart"))
          done(answer.message)
          // The page notices by itself when it is back: the event stream begins anew.
          await client.invalidateQueries()
        }}
      >
        It is away for a few seconds. nginx goes on serving; running migrations go on after the start.{" "}
        {pending.length > 0 && `${pending.map(setting => setting.key).join(", ")} will come into force.`}
      </Confirm>
      <Confirm
        opened={dialog === "rotate"}
        onClose={() => setDialog(null)}
        title="Encrypt all S3 keys anew?"
        verb="Encrypt anew"
        harmless
        act={async () => {
          const answer = await body(api.POST("/api/config/settings/rotate-secret"))
          const unreadable = answer.unreadable.map(pool => pool.pool_name)
          done(
            `The S3 keys of ${answer.rotated.length} pools were encrypted anew; those of ${answer.current.length} already were with the first key.` +
              (unreadable.length === 0 ? "" : ` Not readable with any key: ${unreadable.join(", ")}.`),
          )
        }}
      >
        SECRET may hold several keys, separated by commas: all of them decrypt, the first one encrypts. This encrypts
        the S3 keys of every pool with the first one, so that the others can be removed.
      </Confirm>
    </Page>
  )
}

const ORIGINS: Record<string, string> = {
  default: "default",
  file: "from the file",
  environment: "from the environment",
  flag: "from a flag",
}

function Row({ setting }: { setting: Setting }) {
  const [editing, setEditing] = useState(false)
  return (
    <div className={classes.row} data-setting={setting.key}>
      <Stack gap={0} className={classes.name}>
        <Text size="sm" fw={600} className="mono">
          {setting.key}
        </Text>
        <Text size="xs" c="dimmed">
          {setting.description}
        </Text>
      </Stack>
      {editing ? (
        <SettingForm setting={setting} onDone={() => setEditing(false)} />
      ) : (
        <Group gap="xs" className={classes.value} wrap="nowrap">
          <Stack gap={2} miw={0}>
            <Text size="sm" className="mono breakable">
              {shown(setting.value)}
            </Text>
            {setting.pending && (
              <Text size="xs" className="mono breakable">
                <Badge size="xs" color="yellow" variant="light" tt="none" radius="sm">
                  after a restart
                </Badge>{" "}
                {shown(setting.pending_value)}
              </Text>
            )}
            <Text size="xs" c="dimmed">
              {ORIGINS[setting.origin] ?? setting.origin}
            </Text>
          </Stack>
          {setting.editable ? (
            <Tooltip label="Change">
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label={`Change ${setting.key}`}
                onClick={() => setEditing(true)}
              >
                <IconPencil size={16} />
              </ActionIcon>
            </Tooltip>
          ) : (
            <Group gap={0} wrap="nowrap">
              <Tooltip label={`It names what runs or is trusted: change it on the machine`}>
                <IconLock size={15} aria-label="Changed on the machine only" />
              </Tooltip>
              <Copy text={`nanio-orchestrator config set ${setting.key} VALUE`} of="the command that changes it" />
            </Group>
          )}
        </Group>
      )}
    </div>
  )
}

function shown(value: Setting["value"]): string {
  return value === null || value === undefined ? "(unset)" : String(value)
}
