import { expect, test } from "vitest"

import { Problem } from "./problem"

const fault = (loc: (string | number)[], msg: string) => ({ type: "value_error", loc, msg, input: null })

test("a sentence is the message", () => {
  const problem = Problem.of(409, { detail: "name taken" })
  expect([problem.status, problem.message, problem.fields]).toEqual([409, "name taken", {}])
})

test("faults belong to their fields, and several of one field are told together", () => {
  const detail = [
    fault(["body", "name"], "too long"),
    fault(["body", "ips", 0], "no address"),
    fault(["body", "name"], "odd"),
  ]
  const problem = Problem.of(422, { detail })
  expect(problem.fields).toEqual({ name: "too long; odd", "ips.0": "no address" })
})

test("what is shown beside a field is not said twice", () => {
  const problem = Problem.of(422, { detail: [fault(["body", "name"], "odd"), fault(["body"], "not together")] })
  expect(problem.besides(["name"])).toBe("not together")
  expect(problem.besides([])).toBe("name: odd\nnot together")
  expect(Problem.of(422, { detail: [fault(["body", "ips", 0], "bad")] }).besides(["ips"])).toBeNull()
})

test("an answer without words is told as it is", () => {
  expect(Problem.of(502, undefined).message).toContain("502")
  expect(Problem.from(new TypeError("failed to fetch")).status).toBe(0)
})
