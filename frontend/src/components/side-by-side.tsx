import { Diff } from "./diff"
import classes from "./side-by-side.module.css"

export interface Pair {
  before: string | null
  after: string | null
}

export interface Part {
  /** The file that begins here, or null: another place of the same one. */
  file: string | null
  place: string
  pairs: Pair[]
}

/** Reads a unified diff: lines that went beside the lines that came in their place. */
export function parts(text: string): Part[] {
  const found: Part[] = []
  let file: string | null = null
  let [removed, added]: [string[], string[]] = [[], []]
  const flush = () => {
    const pairs = found.at(-1)?.pairs
    for (let index = 0; index < Math.max(removed.length, added.length); index++) {
      pairs?.push({ before: removed[index] ?? null, after: added[index] ?? null })
    }
    ;[removed, added] = [[], []]
  }
  for (const line of text.split("\n")) {
    if (line.startsWith("--- ")) {
      flush()
      file = line.slice(4)
    } else if (line.startsWith("+++ ")) {
      const after = line.slice(4)
      file = after === "/dev/null" ? file : after
    } else if (line.startsWith("@@")) {
      flush()
      found.push({ file, place: line, pairs: [] })
      file = null
    } else if (line.startsWith("-")) {
      if (added.length > 0) flush()
      removed.push(line.slice(1))
    } else if (line.startsWith("+")) {
      added.push(line.slice(1))
    } else if (line !== "" && !line.startsWith("\\")) {
      flush()
      const same = line.startsWith(" ") ? line.slice(1) : line
      found.at(-1)?.pairs.push({ before: same, after: same })
    }
  }
  flush()
  return found
}

/** More lines are shown one below the other, cut. */
const MOST = 2000

/** What was, beside what is. On a narrow screen one below the other. */
export function SideBySide({ text, label }: { text: string; label: string }) {
  const read = parts(text)
  const lines = read.reduce((sum, part) => sum + part.pairs.length, 0)
  if (lines === 0 || lines > MOST) return <Diff text={text} label={label} />
  return (
    <div className={classes.sides} tabIndex={0} role="group" aria-label={label}>
      {read.map((part, index) => (
        <div key={index} className={classes.part}>
          {part.file !== null && <div className={classes.file}>{part.file}</div>}
          <div className={classes.place}>{part.place}</div>
          {part.pairs.map((pair, line) => (
            <div key={line} className={classes.pair} data-same={pair.before === pair.after}>
              <pre data-kind={pair.before === null ? "none" : "removed"}>
                {pair.before !== null && <span className={classes.sign}>- </span>}
                {pair.before}
              </pre>
              <pre data-kind={pair.after === null ? "none" : "added"}>
                {pair.after !== null && <span className={classes.sign}>+ </span>}
                {pair.after}
              </pre>
            </div>
          ))}
        </div>
      ))}
    </div>
  )
}
