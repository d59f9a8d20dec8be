/** A request as the API is asked about it. */
export interface Asked {
  method: string
  host?: string
  path: string
  scheme?: "http" | "https"
}

const LINE = /^(?:([A-Za-z]+)\s+)?(?:(https?):\/\/([^/?#\s]*))?(\S*)$/

/**
 * Reads `GET https://host:port/path?query`, of which method and host may be missing. The path stays letter for letter
 * as it was typed: nginx decides by that, and a browser's own reading of an address would change it.
 */
export function readRequest(text: string): Asked | null {
  const found = LINE.exec(text.trim())
  if (found === null) return null
  const [, method = "GET", scheme, host, rest = ""] = found
  if (rest === "" && host === undefined) return null
  const path = rest === "" ? "/" : rest.startsWith("?") ? `/${rest}` : rest
  return {
    method: method.toUpperCase(),
    path,
    ...(host === undefined || host === "" ? {} : { host }),
    ...(scheme === undefined ? {} : { scheme: scheme as "http" | "https" }),
  }
}
