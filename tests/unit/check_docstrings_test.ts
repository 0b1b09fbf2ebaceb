import { deepEqual, equal } from "node:assert/strict";
import { checkDocstrings } from "../../tools/check_docstrings.ts";

Deno.test("checkDocstrings() names an export without a docstring, and its line", () => {
  const text = "/** One. */\nexport const one = 1;\n\nexport function two() {}\n";
  const findings = checkDocstrings([{ path: "src/core/numbers.ts", text }]);
  deepEqual(findings.map(({ file, line }) => [file, line]), [["src/core/numbers.ts", 4]]);
  equal(findings[0]?.message.includes('"two"'), true);
});

Deno.test("checkDocstrings() asks nothing of tests and tools", () => {
  const text = "export const one = 1;\n";
  deepEqual(checkDocstrings([{ path: "tests/unit/a.ts", text }, { path: "tools/a.ts", text }]), []);
});
