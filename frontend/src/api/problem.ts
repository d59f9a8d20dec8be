import type { components } from "./schema"

type Fault = { loc: (string | number)[]; msg: string; input?: unknown }

/** Why the orchestrator did not do what it was asked, as a person reads it. */
export class Problem extends Error {
  /** The status; 0: there was no answer. */
  readonly status: number
  /** What is wrong with single fields, by name. A field inside a list has its index in the name: `ip_rule_ips.0`. */
  readonly fields: Record<string, string>

  constructor(status: number, message: string, fields: Record<string, string> = {}) {
    super(message)
    this.name = "Problem"
    this.status = status
    this.fields = fields
  }

  /** What an answer that is not a success says. */
  static of(status: number, body: unknown): Problem {
    const detail = (body as components["schemas"]["InvalidRequest"] | undefined)?.detail
    if (typeof detail === "string") return new Problem(status, detail)
    if (Array.isArray(detail)) {
      const faults = detail as Fault[]
      const fields: Record<string, string> = {}
      for (const fault of faults) {
        const name = fault.loc.slice(1).join(".")
        fields[name] = fields[name] === undefined ? fault.msg : `${fields[name]}; ${fault.msg}`
      }
      const all = Object.entries(fields).map(([name, message]) => (name === "" ? message : `${name}: ${message}`))
      return new Problem(status, all.join("\n"), fields)
    }
    return new Problem(status, `The orchestrator answered with status ${status} and nothing else.`)
  }

  /** Anything that was thrown. */
  static from(thrown: unknown): Problem {
    if (thrown instanceof Problem) return thrown
    if (thrown instanceof TypeError) {
      return new Problem(0, "The orchestrator does not answer. nginx goes on without it; try again in a moment.")
    }
    return new Problem(0, thrown instanceof Error ? thrown.message : String(thrown))
  }

  /** The message without what is said beside a field that a form shows. */
  besides(shown: readonly string[]): string | null {
    const names = Object.keys(this.fields)
    if (names.length === 0) return this.message
    const isShown = (name: string) => shown.some(field => name === field || name.startsWith(`${field}.`))
    const rest = names.filter(name => !isShown(name))
    if (rest.length === 0) return null
    return rest.map(name => (name === "" ? this.fields[name] : `${name}: ${this.fields[name]}`)).join("\n")
  }
}
