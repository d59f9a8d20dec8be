import { NumberInput, Select, Switch, Textarea, TextInput } from "@mantine/core"
import type { ReactNode } from "react"

import type { Value, Values } from "./values"

/** A field of a form. Its name is that of the API. */
export interface FieldSpec {
  name: string
  label: string
  kind: "text" | "code" | "number" | "choice" | "switch"
  about?: ReactNode
  placeholder?: string
  required?: boolean
  /** An empty text is null: the field can be without a value. */
  clearable?: boolean
  /** The value is the id of something. */
  numeric?: boolean
  options?: { value: string; label: string }[]
  min?: number
  max?: number
  /** Whether it is asked for at all. */
  when?: (values: Values) => boolean
  readOnly?: boolean
}

interface Props {
  spec: FieldSpec
  /** The one to begin with. */
  first?: boolean
  value: Value
  error: string | undefined
  onChange: (value: Value) => void
}

/** The control of a field. */
export function Field({ spec, first = false, value, error, onChange }: Props) {
  const common = {
    label: spec.label,
    description: spec.about,
    error: error ?? null,
    required: spec.required ?? false,
    disabled: spec.readOnly ?? false,
    name: spec.name,
    "data-autofocus": first || undefined,
  }
  const text = value === null ? "" : String(value)
  switch (spec.kind) {
    case "text":
      return (
        <TextInput
          {...common}
          placeholder={spec.placeholder ?? ""}
          value={text}
          autoComplete="off"
          spellCheck={false}
          onChange={event => onChange(event.currentTarget.value)}
        />
      )
    case "code":
      return (
        <Textarea
          {...common}
          placeholder={spec.placeholder ?? ""}
          value={text}
          autosize
          minRows={2}
          maxRows={14}
          spellCheck={false}
          styles={{
            input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: "var(--mantine-font-size-xs)" },
          }}
          onChange={event => onChange(event.currentTarget.value)}
        />
      )
    case "number":
      return (
        <NumberInput
          {...common}
          value={typeof value === "number" ? value : ""}
          min={spec.min ?? 0}
          {...(spec.max === undefined ? {} : { max: spec.max })}
          // The server says what is out of range; a number that jumps by itself says nothing.
          clampBehavior="none"
          allowDecimal={false}
          onChange={next => onChange(typeof next === "number" ? next : null)}
        />
      )
    case "choice":
      return (
        <Select
          {...common}
          data={spec.options ?? []}
          value={value === null ? null : text}
          clearable={spec.clearable ?? false}
          searchable={(spec.options?.length ?? 0) > 8}
          placeholder={spec.placeholder ?? ""}
          nothingFoundMessage="Nothing is called that"
          allowDeselect={false}
          onChange={next => onChange(next === null || !spec.numeric ? next : Number(next))}
        />
      )
    case "switch":
      return (
        <Switch
          label={spec.label}
          description={spec.about}
          error={error ?? null}
          checked={value === true}
          disabled={spec.readOnly ?? false}
          onChange={event => onChange(event.currentTarget.checked)}
        />
      )
  }
}
