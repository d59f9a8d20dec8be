import { createHash, createHmac } from "node:crypto"
import { request } from "node:http"

import type { Gateway } from "./gateway"

const hash = (text: string) => createHash("sha256").update(text).digest("hex")
const mac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

export interface Answer {
  status: number
  body: string
}

/** One request of an S3 client to nginx, signed as S3 wants it. The path needs no escaping. */
export function s3(gateway: Gateway, method: "GET" | "PUT", path: string, content = ""): Promise<Answer> {
  const host = `localhost:${gateway.port}`
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "")
  const [day, digest] = [time.slice(0, 8), hash(content)]
  const signed = "host;x-amz-content-sha256;x-amz-date"
  const headers = `host:${host}\nx-amz-content-sha256:${digest}\nx-amz-date:${time}\n`
  const canonical = [method, path, "", headers, signed, digest].join("\n")
  const scope = `${day}/us-east-1/s3/aws4_request`
  const key = ["us-east-1", "s3", "aws4_request"].reduce(mac, mac(`AWS4${gateway.s3.secret}`, day))
  const signature = mac(key, ["AWS4-HMAC-SHA256", time, scope, hash(canonical)].join("\n")).toString("hex")
  const authorization = `AWS4-HMAC-SHA256 Credential=${gateway.s3.access}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
  return new Promise((resolve, reject) => {
    const sent = request({
      host: "127.0.0.1",
      port: gateway.port,
      method,
      path,
      agent: false,
      headers: {
        host,
        authorization,
        "x-amz-date": time,
        "x-amz-content-sha256": digest,
        "content-length": Buffer.byteLength(content),
      },
    })
    sent.on("error", reject)
    sent.on("response", answer => {
      let body = ""
      answer.setEncoding("utf8")
      answer.on("data", (chunk: string) => (body += chunk))
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }))
    })
    sent.end(content)
  })
}
