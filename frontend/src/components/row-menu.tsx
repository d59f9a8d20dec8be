import { Menu } from "@mantine/core"
import { IconDots } from "@tabler/icons-react"
import type { ReactNode } from "react"
import { useRef, useState } from "react"

import classes from "./row-menu.module.css"

/** What can be done with a row. The menu is there only while it is open: tables have many rows. */
export function RowMenu({ of, children }: { of: string; children: ReactNode }) {
  const [isOpen, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  // A press on the button closes the menu, as one anywhere else does; the click that follows must not open it again.
  const wasOpen = useRef(false)
  return (
    <>
      <button
        ref={button}
        type="button"
        className={classes.button}
        aria-label={`What to do with ${of}`}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onMouseDown={() => (wasOpen.current = isOpen)}
        onClick={() => {
          setOpen(!wasOpen.current)
          wasOpen.current = false
        }}
      >
        <IconDots size={16} aria-hidden />
      </button>
      {isOpen && (
        <Menu
          opened
          position="bottom-end"
          withinPortal
          onChange={() => {
            setOpen(false)
            button.current?.focus()
          }}
        >
          <Menu.Target>
            <span />
          </Menu.Target>
          <Menu.Dropdown>{children}</Menu.Dropdown>
        </Menu>
      )}
    </>
  )
}
