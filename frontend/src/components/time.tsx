/** The moment that a time of the API names: both its forms are UTC. */
export function moment(text: string): Date {
  return new Date(text.includes("T") ? text : `${text.replace(" ", "T")}Z`)
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
]

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" })

/** How long ago that is, or how soon. */
export function ago(at: Date, now: Date): string {
  const seconds = Math.round((at.getTime() - now.getTime()) / 1000)
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit)
  }
  return Math.abs(seconds) < 10 ? "just now" : relative.format(seconds, "second")
}

const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" })

const clockFace = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" })

interface Props {
  at: string | null | undefined
  /** In full, or the time of day alone, and not how long ago it is. */
  full?: boolean
  clock?: boolean
}

/** A time: how long ago, and in full on a closer look. */
export function Time({ at, full = false, clock = false }: Props) {
  if (at === null || at === undefined) return <>never</>
  const date = moment(at)
  return (
    <time dateTime={date.toISOString()} title={`${at} UTC`} className={full ? undefined : "unbroken"}>
      {full ? exact.format(date) : clock ? clockFace.format(date) : ago(date, new Date())}
    </time>
  )
}
