import { TextInput } from "@mantine/core"

/** Asks why something is done. Nobody has to say. */
export function Why({ why, onChange }: { why: string; onChange: (why: string) => void }) {
  return (
    <TextInput
      label="Why"
      description="Kept in the history with the change"
      placeholder="Nobody has to say"
      maxLength={500}
      value={why}
      onChange={event => onChange(event.currentTarget.value)}
    />
  )
}
