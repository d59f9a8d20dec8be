import { Button, Checkbox, Group, Stack } from "@mantine/core"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import type { FormEvent, ReactNode } from "react"
import { useState } from "react"

import { Problem } from "../api/problem"
import { because } from "../api/reason"
import { Dialog } from "../components/dialog"
import { done } from "../components/toast"
import { Trouble } from "../components/trouble"
import { Why } from "../components/why"
import { Conflict } from "./conflict"
import type { FieldSpec } from "./field"
import { Field } from "./field"
import type { Insisted } from "./insist"
import { askedFor, YES } from "./insist"
import type { Difference, Values } from "./values"
import { changes, differences } from "./values"

/** What was read, and what of it the form is about. */
export interface Read {
  revision: number
  values: Values
}

export interface EntityFormProps {
  fields: readonly FieldSpec[]
  /** What a new one begins with. */
  start?: Values
  /** What is changed; without it something new is made. */
  base?: Read
  /** Reads it again, after somebody else was faster. */
  reread?: () => Promise<Read>
  /** Saves all values of something new, or those that were changed; `all` are both, as they will be. */
  save: (values: Values, revision: number, all: Values) => Promise<unknown>
  verb: string
  /** What to say when it is done. */
  said: (values: Values, answer: unknown) => string
  onDone: (answer: unknown) => void
  onCancel?: () => void
  /** What else can be done about a refusal, where a plain yes is not the best answer. */
  ways?: (refused: Insisted) => Way[]
  children?: ReactNode
}

/** A way out of a refusal: what its button says, and what is sent then. */
export interface Way {
  verb: string
  values: Values
}

/** A form in a dialog. It opens anew each time. */
export function FormDialog({ opened, title, onClose, ...form }: EntityFormProps & DialogProps) {
  return (
    <Dialog opened={opened} onClose={onClose} title={title} size="lg" closeOnClickOutside={false}>
      {opened && <EntityForm {...form} onCancel={onClose} />}
    </Dialog>
  )
}

interface DialogProps {
  opened: boolean
  title: string
  onClose: () => void
}

/** A form that says beside each field what is wrong with it, and that loses nothing to a conflict. */
export function EntityForm(props: EntityFormProps) {
  const { fields, start, save, verb, said, onDone, onCancel, reread, ways, children } = props
  const client = useQueryClient()
  // What is read again in the background must not change what the change is compared with.
  const [base, setBase] = useState<Read>(() => props.base ?? { revision: 0, values: {} })
  const [values, setValues] = useState<Values>(() => props.base?.values ?? start ?? {})
  const [conflict, setConflict] = useState<Difference[] | null>(null)
  const [theirs, setTheirs] = useState<ReadonlySet<string>>(new Set())
  const [insisted, setInsisted] = useState<Insisted | null>(null)
  const [why, setWhy] = useState("")
  const isNew = props.base === undefined
  const asked = fields.filter(field => field.when?.(values) ?? true)
  const names = asked.map(field => field.name)

  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: async (chosen: Values) => {
      const resolved = { ...values, ...chosen }
      for (const name of theirs) resolved[name] = base.values[name] ?? null
      const sent = asSent(isNew ? pick(resolved, names) : changes(base.values, resolved), fields)
      const yes = insisted === null ? {} : { [insisted]: true }
      const answer = await because(why, () => save({ ...sent, ...yes, ...chosen }, base.revision, resolved))
      return { resolved, answer }
    },
    onSuccess: async ({ resolved, answer }) => {
      await client.invalidateQueries()
      done(said(resolved, answer))
      onDone(answer)
    },
    onError: async thrown => {
      if (Problem.from(thrown).status !== 412 || reread === undefined) return
      const now = await reread()
      const found = differences(base.values, values, now.values)
      setConflict(found)
      setTheirs(new Set(found.filter(one => !one.contested).map(one => one.name)))
      setBase(now)
      // What was not touched here follows what it is now.
      const own = changes(base.values, values)
      setValues({ ...now.values, ...own })
    },
  })
  const wanted = insisted ?? askedFor(error)
  const problem = error === null ? null : Problem.from(error)
  const choose = (name: string, other: boolean) => {
    const next = new Set(theirs)
    if (other) next.add(name)
    else next.delete(name)
    setTheirs(next)
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    event.stopPropagation()
    mutate({})
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        {asked.map((field, index) => (
          <Field
            key={field.name}
            first={index === 0}
            spec={field}
            value={values[field.name] ?? null}
            error={problem?.fields[field.name]}
            onChange={value => {
              setValues({ ...values, [field.name]: value })
              if (problem?.fields[field.name] !== undefined) reset()
            }}
          />
        ))}
        {children}
        <Why why={why} onChange={setWhy} />
        {conflict !== null && <Conflict found={conflict} fields={fields} theirs={theirs} onChoose={choose} />}
        {problem !== null && problem.status !== 412 && (
          <Trouble error={problem} beside={names} title="Nothing was changed" />
        )}
        {wanted !== null && ways !== undefined && (
          <Group gap="xs" role="group" aria-label="What can be done about it">
            {ways(wanted).map(way => (
              <Button key={way.verb} variant="default" loading={isPending} onClick={() => mutate(way.values)}>
                {way.verb}
              </Button>
            ))}
          </Group>
        )}
        {wanted !== null && ways === undefined && (
          <Checkbox
            color="red"
            label={YES[wanted]}
            checked={insisted === wanted}
            onChange={event => setInsisted(event.currentTarget.checked ? wanted : null)}
          />
        )}
        <Group justify="flex-end">
          {onCancel !== undefined && (
            <Button variant="default" onClick={onCancel}>
              Cancel
            </Button>
          )}
          <Button type="submit" loading={isPending}>
            {verb}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function pick(values: Values, names: readonly string[]): Values {
  return Object.fromEntries(names.map(name => [name, values[name] ?? null]))
}

/** Texts without content are null where a field can be without a value. */
function asSent(values: Values, fields: readonly FieldSpec[]): Values {
  const clearable = new Set(fields.filter(field => field.clearable).map(field => field.name))
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value === "" && clearable.has(name) ? null : value]),
  )
}
