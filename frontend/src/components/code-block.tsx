import { Group, Text } from "@mantine/core"
import type { ReactNode } from "react"

import classes from "./code-block.module.css"
import { Copy } from "./copy"

/** A text as it is, with a way to take it along. */
export function CodeBlock({ text, name, actions }: { text: string; name: string; actions?: ReactNode }) {
  return (
    <div className={classes.block}>
      <Group justify="space-between" className={classes.head} wrap="nowrap">
        <Text size="xs" className="mono breakable">
          {name}
        </Text>
        <Group gap={4} wrap="nowrap">
          {actions}
          <Copy text={text} of={name} />
        </Group>
      </Group>
      <pre className={classes.code} tabIndex={0} aria-label={name}>
        {text}
      </pre>
    </div>
  )
}
