import { Alert, Group, Radio, Stack, Text } from "@mantine/core"
import { IconGitMerge } from "@tabler/icons-react"

import type { FieldSpec } from "./field"
import type { Difference, Value } from "./values"

interface Props {
  found: Difference[]
  fields: readonly FieldSpec[]
  /** The fields for which the other's value is taken. */
  theirs: ReadonlySet<string>
  onChoose: (name: string, theirs: boolean) => void
}

/** Somebody else was faster: both versions side by side, and a choice for each field. */
export function Conflict({ found, fields, theirs, onChoose }: Props) {
  const spec = (name: string) => fields.find(field => field.name === name)
  return (
    <Alert color="yellow" icon={<IconGitMerge />} title="Someone else changed this meanwhile" role="alert">
      <Stack gap="sm">
        <Text size="sm">
          {found.length === 0
            ? "What they changed is not what you changed. Save again to add your change to theirs."
            : "Nothing was saved yet, and nothing that you typed is lost. Choose for each field, then save again."}
        </Text>
        {found.map(({ name, mine, theirs: other }) => (
          <Radio.Group
            key={name}
            label={spec(name)?.label ?? name}
            value={theirs.has(name) ? "theirs" : "mine"}
            onChange={value => onChoose(name, value === "theirs")}
          >
            <Group mt={4} gap="lg">
              <Radio value="mine" label={`Yours: ${shown(spec(name), mine)}`} />
              <Radio value="theirs" label={`Theirs: ${shown(spec(name), other)}`} />
            </Group>
          </Radio.Group>
        ))}
      </Stack>
    </Alert>
  )
}

function shown(spec: FieldSpec | undefined, value: Value): string {
  if (value === null || value === "") return "(empty)"
  if (typeof value === "boolean") return value ? "on" : "off"
  return spec?.options?.find(option => option.value === String(value))?.label ?? String(value)
}
