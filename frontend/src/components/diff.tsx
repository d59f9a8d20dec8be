import classes from "./diff.module.css"

type Kind = "head" | "place" | "added" | "removed" | "same"

/** What a line of a unified diff is. */
export function kindOf(line: string): Kind {
  if (line.startsWith("---") || line.startsWith("+++")) return "head"
  if (line.startsWith("@@")) return "place"
  if (line.startsWith("+")) return "added"
  if (line.startsWith("-")) return "removed"
  return "same"
}

/** More lines are cut. */
const MOST = 4000

/** A unified diff. Signs as well as colours tell what is new. */
export function Diff({ text, label }: { text: string; label: string }) {
  const lines = text.replace(/\n$/, "").split("\n")
  return (
    <pre className={classes.diff} tabIndex={0} aria-label={label}>
      {lines.slice(0, MOST).map((line, index) => (
        <span key={index} data-kind={kindOf(line)}>
          {line === "" ? " " : line}
        </span>
      ))}
      {lines.length > MOST && <span data-kind="place">{lines.length - MOST} more lines are not shown</span>}
    </pre>
  )
}
