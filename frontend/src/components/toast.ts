import { notifications } from "@mantine/notifications"

import { Problem } from "../api/problem"

/** Says what was done. */
export function done(message: string) {
  notifications.show({ message, color: "green", autoClose: 5000, withBorder: true })
}

/** Says what was not done, where no form can show it. It stays until it was read. */
export function failed(what: string, error: unknown) {
  notifications.show({
    title: what,
    message: Problem.from(error).message,
    color: "red",
    autoClose: false,
    withBorder: true,
    style: { whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  })
}
