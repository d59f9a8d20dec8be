import type { ModalProps } from "@mantine/core"
import { Modal } from "@mantine/core"
import { useState } from "react"

import { useCover } from "./covers"

/** A dialog: Esc closes it and no other, and the focus returns to what opened it. */
export function Dialog({ closeOnEscape = true, ...props }: ModalProps) {
  useCover(props.opened, props.onClose, closeOnEscape)
  return <Modal {...props} returnFocus={false} closeOnEscape={false} />
}

/** What a dialog is about, also while it fades away: what it shows does not vanish before it does. */
export function useKept<Subject>(subject: Subject | null): Subject | null {
  const [kept, setKept] = useState(subject)
  if (subject !== null && subject !== kept) setKept(subject)
  return subject ?? kept
}
