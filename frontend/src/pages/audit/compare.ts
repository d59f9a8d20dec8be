/** What one field was and has become. */
export interface Compared {
  name: string
  before: string | null
  after: string | null
  changed: boolean
}

/** Two texts of JSON objects, field by field: first what differs. */
export function compare(before: string | null, after: string | null): Compared[] {
  const [was, is] = [fields(before), fields(after)]
  const names = [...new Set([...was.keys(), ...is.keys()])]
  const all = names.map(name => {
    const [old, now] = [was.get(name) ?? null, is.get(name) ?? null]
    return { name, before: old, after: now, changed: old !== now }
  })
  return all.sort((a, b) => Number(b.changed) - Number(a.changed))
}

function fields(text: string | null): Map<string, string> {
  if (text === null) return new Map()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return new Map([["", text]])
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return new Map([["", text]])
  return new Map(Object.entries(value).map(([name, inner]) => [name, shown(inner)]))
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 1)
}
