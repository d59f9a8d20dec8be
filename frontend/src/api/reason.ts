/**
 * Why a change is made, in the operator's words: a header of the requests that change something, kept with the revision.
 */

let reason: string | null = null

/** Does `work`; the changes that it asks for are made for this reason. */
export async function because<T>(why: string, work: () => Promise<T>): Promise<T> {
  reason = why.trim() === "" ? null : why.trim()
  try {
    return await work()
  } finally {
    reason = null
  }
}

/** Headers are bytes: those of the reason's UTF-8, each as the character that `fetch` makes that byte of. */
export function asHeader(text: string): string {
  return Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte)).join("")
}

/** Says why, in a request that changes something. */
export function tellReason(request: Request) {
  if (reason !== null && request.method !== "GET") request.headers.set("X-Change-Reason", asHeader(reason))
}
