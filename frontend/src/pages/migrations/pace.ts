import { useSyncExternalStore } from "react"

import type { Migration } from "../../api/client"

/** How fast a migration copied at a moment. */
export interface Sample {
  at: number
  bytesPerSecond: number
}

/** Five minutes of one answer a second. */
const MOST = 300

const NONE: readonly Sample[] = []
let seen: ReadonlyMap<number, readonly Sample[]> = new Map()
const listeners = new Set<() => void>()

/** Notes at what pace migrations copy, as an answer of this moment says. The API tells the present pace only. */
export function notePace(migrations: readonly Migration[], at: number) {
  const running = migrations.filter(one => one.finished_at === null && one.bytes_per_second !== null)
  if (running.length === 0) return
  const next = new Map(seen)
  for (const { id, bytes_per_second } of running) {
    const before = next.get(id) ?? NONE
    if (before.at(-1)?.at === at) continue
    next.set(id, [...before, { at, bytesPerSecond: bytes_per_second ?? 0 }].slice(-MOST))
  }
  seen = next
  for (const listener of listeners) listener()
}

/** What this page has seen of the pace of a migration, oldest first. */
export function usePace(migration: number): readonly Sample[] {
  return useSyncExternalStore(subscribe, () => seen.get(migration) ?? NONE)
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export interface Chart {
  /** The line and the area under it, as paths in a box of 100 by 40. */
  line: string
  area: string
  /** What the top of the box means. */
  most: number
  seconds: number
}

/** Where the samples stand. Time is what it was: a gap is as long as it lasted. */
export function plot(samples: readonly Sample[]): Chart | null {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || first.at === last.at) return null
  const most = Math.max(1, ...samples.map(sample => sample.bytesPerSecond))
  const points = samples.map(({ at, bytesPerSecond }) => {
    const x = (100 * (at - first.at)) / (last.at - first.at)
    return `${round(x)} ${round(40 - (40 * bytesPerSecond) / most)}`
  })
  const line = `M${points.join(" L")}`
  return { line, area: `${line} L100 40 L0 40 Z`, most, seconds: Math.round((last.at - first.at) / 1000) }
}

const round = (value: number) => Math.round(value * 100) / 100
