/** What a form holds, by the names of the API. */
export type Value = string | number | boolean | null
export type Values = Record<string, Value>

/** The fields of `values` that are not as in `base`. */
export function changes(base: Values, values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => base[name] !== value))
}

/** One field that somebody else changed in the meantime. */
export interface Difference {
  name: string
  mine: Value
  theirs: Value
  /** Whether it was changed here too. */
  contested: boolean
}

/** Where another's change of what was `base` meets this one. */
export function differences(base: Values, mine: Values, theirs: Values): Difference[] {
  return Object.keys(base).flatMap(name => {
    const [was, here, there] = [base[name] ?? null, mine[name] ?? null, theirs[name] ?? null]
    if (was === there || here === there) return []
    return [{ name, mine: here, theirs: there, contested: was !== here }]
  })
}
