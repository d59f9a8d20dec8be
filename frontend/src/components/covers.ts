import { useEffect, useEffectEvent } from "react"

/** What lies over the page for a while. A menu is gone before what was chosen in it begins. */
const COVERS = "[role=dialog], [role=menu], [role=listbox]"
const MENUS = "[role=menu], [role=listbox]"

/** What had the focus last, in a dialog or not; and what had it last on the page itself. */
let last: HTMLElement | null = null
let below: HTMLElement | null = null

/** How each of the open dialogs is left, the topmost last. */
const open: { leave: () => void }[] = []

function noteFocus({ target }: Event) {
  if (!(target instanceof HTMLElement)) return
  if (target.closest(MENUS) === null) last = target
  if (target.closest(COVERS) === null) below = target
}

/** Esc leaves the topmost dialog, and not those under it. A list that is open in it takes the key for itself. */
function noteKey(event: KeyboardEvent) {
  if (event.key !== "Escape" || event.isComposing) return
  const isTaken =
    event.target instanceof Element && event.target.getAttribute("data-mantine-stop-propagation") === "true"
  if (!isTaken) open.at(-1)?.leave()
}

/** Keeps in mind where the focus is, from the first click on, and which dialog is the topmost. */
export function watchCovers() {
  document.addEventListener("focusin", noteFocus)
  window.addEventListener("keydown", noteKey, { capture: true })
}

/**
 * What is opened over the page is left by Esc, and gives the focus back when it is closed: to what opened it; if that is
 * gone, to where the focus was on the page; if that is gone too, to the page.
 */
export function useCover(opened: boolean, onClose: () => void, closeOnEscape: boolean) {
  const leave = useEffectEvent(() => {
    if (closeOnEscape) onClose()
  })
  useEffect(() => {
    if (!opened) return
    const opener = last
    const own = { leave: () => leave() }
    open.push(own)
    return () => {
      open.splice(open.indexOf(own), 1)
      const left = document.activeElement
      setTimeout(() => {
        const now = document.activeElement
        // Somebody else has taken it by now, such as the next dialog.
        if (now !== null && now !== document.body && now !== left) return
        const there = [opener, below].find(one => one?.isConnected) ?? document.getElementById("main")
        there?.focus({ preventScroll: true })
      })
    }
  }, [opened])
}
