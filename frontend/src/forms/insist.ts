import { Problem } from "../api/problem"

/** What an operator may say yes to after a refusal, by the name of the API. */
export type Insisted = "allow_orphan" | "allow_stale"

/** The yes that a refusal asks for. */
export function askedFor(error: unknown): Insisted | null {
  if (error === null || error === undefined) return null
  const found = /allow_(?:orphan|stale)/.exec(Problem.from(error).message)?.[0]
  return (found as Insisted | undefined) ?? null
}

/** The same as a person reads it. */
export const YES: Record<Insisted, string> = {
  allow_orphan: "I know that objects stay behind where clients will not find them. Do it anyway.",
  allow_stale: "I know that clients will see the old copy. Do it anyway.",
}
