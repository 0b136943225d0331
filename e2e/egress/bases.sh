#!/usr/bin/env bash
# Stock clients inside `remit run --egress base-url`: curl, boto3 (S3 and STS) and octokit are told a base address and a key by
# the environment alone. Each system gets its real key, S3 a signature made with it, and the agent has none of them.
#
#   e2e/egress/bases.sh [REMIT]        (target/debug/remit)
#
# Names have to lead to this machine, so lines are added to /etc/hosts for the time of the run: needs root, else it is skipped.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
remit=$(realpath "${1:-$here/../../target/debug/remit}")
[[ -x $remit ]] || { echo "no \`$remit\`: build it with \`cargo build -p remit-cli\`"; exit 2; }
if ! { [[ -w /etc/hosts ]] && command -v openssl python3 curl >/dev/null; }; then
  echo "SKIPPED: needs root (for /etc/hosts), openssl, curl and python3"
  exit 77
fi
eval "$("$here/../tools.sh")" || exit 1
hosts=(web.bases.test openai.bases.test github.bases.test s3.bases.test sts.bases.test)
# shellcheck source=bed.sh
source "$here/bed.sh"
for system in openai github s3 sts; do
  printf '[systems.%s]\nhosts = ["%s.bases.test"]\nport = %s\nallow_private = true\n' "$system" "$system" "$upstream"
done >>"$work/config/remit/remit.toml"
aws_secret=$(openssl rand -hex 20)
openai_key=test-openai-$(openssl rand -hex 12)
github_key=test-github-$(openssl rand -hex 12)
up "$BACKENDS/python" "$here/bases_upstream.py" "$upstream" "$work/leaf.pem" "$work/key.pem" "$work/log" "$aws_secret"
keep() { printf '%s' "$1" | "$remit" secret add "${@:2}" >>"$work/added" 2>&1 || { cat "$work/added"; exit 1; }; }
keep "$openai_key" openai-key --system openai
keep "$github_key" github-key --system github
for system in s3 sts; do keep "$aws_secret" "$system-key" --system "$system" --account AKIAREALKEY; done

cat >"$work/clients.sh" <<CLIENTS
curl -sS -m 30 -o "$work/out.curl" -w 'curl %{http_code}\n' "\$OPENAI_BASE_URL/chat/completions" \
  -H "Authorization: Bearer \$OPENAI_API_KEY" -H 'Content-Type: application/json' \
  -d '{"model":"gpt-x","messages":[{"role":"user","content":"hello"}]}'
"$BACKENDS/python" - <<'BOTO'
import boto3
s3 = boto3.client("s3", region_name="eu-west-1")
s3.put_object(Bucket="photos", Key="a b.txt", Body=b"hello")
print("s3", s3.get_object(Bucket="photos", Key="a b.txt")["Body"].read().decode())
print("sts", boto3.client("sts", region_name="eu-west-1").get_caller_identity()["Account"])
BOTO
cd "$REMIT_TOOLS/node"
"$NODE" --input-type=module - <<'OCTOKIT'
import { Octokit } from "@octokit/rest";
const octokit = new Octokit({ auth: process.env.GITHUB_TOKEN, baseUrl: process.env.GITHUB_API_URL });
const { status } = await octokit.rest.repos.get({ owner: "acme", repo: "web" });
console.log("octokit", status);
OCTOKIT
env | grep -c -e "$aws_secret" -e "$openai_key" -e "$github_key" | sed 's/^/held /'
CLIENTS
env -u AWS_PROFILE "$remit" run --egress base-url --intent "one request each" --allow 'openai/*' --allow 'github/*' --allow 's3/*' \
  --allow 'sts/*' --resource openai:models/gpt-x --resource github:acme/web --resource s3:photos --ttl 10m \
  -- bash "$work/clients.sh" >"$work/said" 2>"$work/notes"

failed=0
check() {
  local what=$1
  shift
  if "$@"; then printf '%-56s ok\n' "$what"; else printf '%-56s FAILED\n' "$what"; failed=1; fi
}
check "curl asks a model" grep -qx 'curl 200' "$work/said"
check "its system gets its key" grep -qx "POST /v1/chat/completions Bearer $openai_key" "$work/log"
check "boto3 writes and reads an object" grep -qx 's3 hello' "$work/said"
check "boto3 asks who it is" grep -qx 'sts 123456789012' "$work/said"
check "what AWS gets is signed with the real key" grep -q '^GET /photos/a%20b.txt signed by AKIAREALKEY$' "$work/log"
check "nothing was signed wrongly" bash -c '! grep -q "signed wrongly" "$1"' _ "$work/log"
check "octokit looks at a repository" grep -qx 'octokit 200' "$work/said"
check "its system gets its token" grep -q "^GET /repos/acme/web token $github_key$" "$work/log"
check "the agent holds none of them" grep -qx 'held 0' "$work/said"
check "no record holds one" bash -c '! "$1" tail --once --json 2>/dev/null | grep -q -e "$2" -e "$3" -e "$4"' _ \
  "$remit" "$aws_secret" "$openai_key" "$github_key"
((failed)) && tail -n 30 "$work/said" "$work/notes" "$work/log" "$work/up.log" "$work/added" "$work"/out.*
exit $failed
