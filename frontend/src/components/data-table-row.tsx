import { memo, useEffect, useRef } from "react"

import type { Column } from "./data-table"
import classes from "./data-table.module.css"

interface Props<Item> {
  row: Item
  id: number | string
  columns: Column<Item>[]
  /** Where it stands in the whole table, its head included. */
  index: number
  selected: boolean
  /** Selects it; null: it cannot be selected, undefined: no row can. */
  onToggle: ((id: number | string) => void) | null | undefined
}

function Cells<Item>({ row, id, columns, index, selected, onToggle }: Props<Item>) {
  const name = String(columns[0]?.value?.(row) ?? id)
  return (
    <tr aria-rowindex={index} data-selected={selected || undefined}>
      {onToggle !== undefined && (
        <td className={classes.check}>
          {onToggle !== null && <Check label={`Select ${name}`} checked={selected} onToggle={() => onToggle(id)} />}
        </td>
      )}
      {columns.map(column => (
        <td key={column.key} data-align={column.align} data-wide={column.wide || undefined}>
          {column.cell?.(row) ?? String(column.value?.(row) ?? "")}
        </td>
      ))}
    </tr>
  )
}

/** A row, drawn anew only when something about it has changed: twenty come into sight in one frame. */
export const Row = memo(Cells) as typeof Cells

interface CheckProps {
  label: string
  checked: boolean
  /** Some of what it stands for are checked. */
  some?: boolean
  onToggle: () => void
}

/** A plain box, of which there may be many. */
export function Check({ label, checked, some = false, onToggle }: CheckProps) {
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (box.current !== null) box.current.indeterminate = some
  }, [some])
  return (
    <input ref={box} type="checkbox" className={classes.box} aria-label={label} checked={checked} onChange={onToggle} />
  )
}
