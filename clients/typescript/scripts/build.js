// Builds dist/esm and dist/cjs, each with types.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
for (const kind of ["esm", "cjs"]) {
  execFileSync("node_modules/.bin/tsc", ["-p", `tsconfig.${kind}.json`], { stdio: "inherit" });
}
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
