// Compares two result folders of the conformance suite, scenario by scenario.
//
//   node diff.mjs LABEL DIRECT_DIR THROUGH_DIR DENIED_FILE [--json]
//
// A scenario passes when none of its checks failed. Exit 1 iff a scenario passes directly, fails through the gateway
// and is not in DENIED_FILE; also when the gateway answered nothing at all for a scenario that ran directly.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [label, directDir, throughDir, deniedFile, format] = process.argv.slice(2);

// scenario → { passed, failed, warned, failures: [text] }
function results(dir) {
  const found = new Map();
  for (const entry of readdirSync(dir).sort()) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry)?.[1];
    if (!scenario) continue;
    const file = join(dir, entry, 'checks.json');
    if (!existsSync(file)) continue;
    const checks = JSON.parse(readFileSync(file, 'utf8'));
    const having = (status) => checks.filter((check) => check.status === status);
    const failures = having('FAILURE').map((check) => `${check.id}: ${check.errorMessage ?? 'no message'}`);
    const warnings = having('WARNING').map((check) => `${check.id}: ${check.errorMessage ?? 'no message'}`);
    found.set(scenario, { passed: having('SUCCESS').length, failures, warnings });
  }
  return found;
}

// `scenario<white space>reason` per line; `REVISION:scenario` limits it to one requirement set.
function denied(file) {
  const reasons = new Map();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, name, reason] = /^([^#\s]\S*)\s+(\S.*)$/.exec(line) ?? [];
    if (name) reasons.set(name, reason);
  }
  return (scenario) => reasons.get(`${label}:${scenario}`) ?? reasons.get(scenario);
}

const direct = results(directDir);
const through = results(throughDir);
const reason = denied(deniedFile);
const rows = [...direct].map(([scenario, before]) => {
  const after = through.get(scenario) ?? { passed: 0, failures: ['no result: the scenario did not finish'], warnings: [] };
  const [passedBefore, passedAfter] = [before.failures.length === 0, after.failures.length === 0];
  let verdict = passedAfter ? 'pass' : 'fail-both';
  if (passedBefore && !passedAfter) verdict = reason(scenario) ? 'denied-on-purpose' : 'LOST';
  else if (!passedBefore && passedAfter) verdict = 'gained';
  else if (passedBefore && (after.passed < before.passed || after.warnings.length > before.warnings.length)) verdict = 'weaker';
  return { scenario, verdict, before, after, ...(verdict === 'denied-on-purpose' ? { reason: reason(scenario) } : {}) };
});

const sum = (side) => rows.reduce((all, row) => [all[0] + row[side].passed, all[1] + row[side].failures.length], [0, 0]);
const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
const lost = count('LOST');

if (format === '--json') {
  console.log(JSON.stringify({ requirements: label, direct: sum('before'), through: sum('after'), lost, rows }));
} else {
  for (const { scenario, verdict, before, after, reason: why } of rows) {
    const score = (side) => `${side.passed}/${side.passed + side.failures.length}`;
    console.log(`${verdict.padEnd(18)} ${scenario.padEnd(48)} direct ${score(before).padEnd(7)} through ${score(after)}`);
    if (why) console.log(`${' '.repeat(19)}${why}`);
    if (verdict === 'LOST' || verdict === 'denied-on-purpose') for (const text of after.failures) console.log(`${' '.repeat(19)}- ${text}`);
    if (verdict === 'weaker') for (const text of after.warnings) console.log(`${' '.repeat(19)}~ ${text}`);
  }
  const [d, t] = [sum('before'), sum('after')];
  console.log(
    `${label}: checks direct ${d[0]} passed ${d[1]} failed, through ${t[0]} passed ${t[1]} failed; scenarios: ` +
      `${count('pass')} pass, ${count('weaker')} weaker, ${count('gained')} gained, ${count('fail-both')} fail both ways, ` +
      `${count('denied-on-purpose')} denied on purpose, ${lost} lost`,
  );
}
process.exit(lost > 0 ? 1 : 0);
