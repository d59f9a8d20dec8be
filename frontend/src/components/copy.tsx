import { ActionIcon, Button, Tooltip } from "@mantine/core"
import { IconCheck, IconCopy, IconDownload } from "@tabler/icons-react"
import { useState } from "react"

/** Copies a text. `navigator.clipboard` is there on https and localhost only, so the old way is kept. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement("textarea")
    area.value = text
    document.body.append(area)
    area.select()
    const copied = document.execCommand("copy")
    area.remove()
    return copied
  }
}

/** A button that copies `text`. `of` says what it is. */
export function Copy({ text, of }: { text: string; of: string }) {
  const [copied, setCopied] = useState(false)
  const act = async () => {
    if (!(await copy(text))) return
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <Tooltip label={copied ? "Copied" : `Copy ${of}`}>
      <ActionIcon variant="subtle" color="gray" size="sm" onClick={() => void act()} aria-label={`Copy ${of}`}>
        {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
      </ActionIcon>
    </Tooltip>
  )
}

/** Has the browser save `text` as a file. */
export function save(text: string, name: string) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }))
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

/** A button that saves `text` as a file. */
export function Download({ text, name }: { text: string; name: string }) {
  return (
    <Button
      size="compact-xs"
      variant="default"
      leftSection={<IconDownload size={14} />}
      onClick={() => save(text, name)}
    >
      Download
    </Button>
  )
}
