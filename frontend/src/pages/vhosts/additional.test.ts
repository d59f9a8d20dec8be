import { expect, test } from "vitest"

import { Problem } from "../../api/problem"
import type { Values } from "../../forms/values"
import { asPatch, placed } from "./additional"

const base = { ip_rule_mode: "allow", ips: "10.0.0.0/8", top: "", ssl: "", proxy: "a 1;", end: "" }
const patch = (changed: Values) => asPatch(changed, { ...base, ...changed })

test("a change of one zone sends all blocks, and no access rules", () => {
  expect(patch({ end: "b 2;" })).toEqual({
    extra_blocks: [
      { zone: "proxy", content: "a 1;" },
      { zone: "end", content: "b 2;" },
    ],
  })
  expect(patch({ proxy: " " })).toEqual({ extra_blocks: [] })
})

test("access rules go together: without a mode there are no addresses", () => {
  expect(patch({ ips: " 10.0.0.1 \n\n::1" })).toEqual({ ip_rule_mode: "allow", ip_rule_ips: ["10.0.0.1", "::1"] })
  expect(patch({ ip_rule_mode: null })).toEqual({ ip_rule_mode: null, ip_rule_ips: null })
})

test("a fault of the API is told beside the field of the form", () => {
  const problem = new Problem(422, "…", { "ip_rule_ips.1": "no address", "extra_blocks.0.content": "unbalanced" })
  expect(placed(problem, [{ zone: "end", content: "{" }]).fields).toEqual({
    ips: "address 2: no address",
    end: "unbalanced",
  })
})
