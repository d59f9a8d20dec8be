import { Badge } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"

import type { Certificate, Vhost } from "../../api/client"
import { queries } from "../../api/queries"

/** From so many days on it is time to do something. */
const SOON = 21

/** How long the certificate of a vhost is still good for. */
export function CertificateMark({ vhost, short = false }: { vhost: Vhost; short?: boolean }) {
  const { data: certificates } = useQuery({ ...queries.certificates, enabled: vhost.ssl && vhost.enabled })
  const certificate = certificates?.find(one => one.vhost_id === vhost.id)
  if (!vhost.ssl || certificate === undefined) return null
  const { color, words } = lasting(certificate)
  return (
    <Badge
      variant="light"
      color={color}
      radius="sm"
      tt="none"
      miw="max-content"
      title={certificate.error ?? `${certificate.not_after} UTC`}
    >
      {short ? words.replace("certificate", "cert.") : words}
    </Badge>
  )
}

/** What there is to say of a certificate. */
export function lasting({ days_left: days }: Certificate): { color: string; words: string } {
  if (days === null) return { color: "red", words: "certificate cannot be read" }
  if (days < 0) return { color: "red", words: "certificate has ended" }
  const words = `certificate ends ${days === 0 ? "today" : days === 1 ? "tomorrow" : `in ${days} days`}`
  return { color: days < 7 ? "red" : days < SOON ? "yellow" : "green", words }
}
