import { Problem } from "../api/problem"

/** Something that was said, until it was read. */
export interface Toast {
  id: number
  title: string | null
  message: string
  good: boolean
}

const STAYS_MS = 6000
/** More at once are not read. */
const MOST = 4

let toasts: readonly Toast[] = []
let last = 0
const listeners = new Set<() => void>()

function set(next: readonly Toast[]) {
  toasts = next
  for (const listener of listeners) listener()
}

function show(title: string | null, message: string, good: boolean): number {
  last += 1
  set([...toasts, { id: last, title, message, good }].slice(-MOST))
  return last
}

/** Says what was done. */
export function done(message: string) {
  const id = show(null, message, true)
  setTimeout(() => dismiss(id), STAYS_MS)
}

/** Says what was not done, where no form can show it. It stays until it was read. */
export function failed(what: string, error: unknown) {
  show(what, Problem.from(error).message, false)
}

/** Takes one away. */
export function dismiss(id: number) {
  set(toasts.filter(toast => toast.id !== id))
}

/** What is said now, for those who show it. */
export const said = {
  now: () => toasts,
  subscribe(listener: () => void) {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  },
}
