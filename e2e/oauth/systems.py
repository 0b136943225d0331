"""A system behind a person's login, at a certified provider that rotates refresh tokens: the agent carries a placeholder.

Started by run.sh with GATEWAY, ROTATING and REMIT_BIN set. Standard library only.
"""

import base64
import http.cookiejar
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

GATEWAY, PROVIDER, REMIT = os.environ["GATEWAY"], os.environ["ROTATING"], os.environ["REMIT_BIN"]
failed = 0


def check(what, ok, seen=""):
    global failed
    failed += not ok
    print(f"{'ok' if ok else 'FAILED'}  {what}{'' if ok else f': {seen}'}", flush=True)


def remit(*words):
    done = subprocess.run([REMIT, "--json", *words], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"`remit {' '.join(words)}`: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[0])


def counts():
    return json.load(urllib.request.urlopen(f"{PROVIDER}/counts", timeout=10))


def sign_in():
    """What the person's browser does: follows, signs in, agrees, and comes back."""
    url = remit("mcp", "login", "crm", "--no-wait")["url"]
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = browser.open(url, timeout=30)
    for _ in range(4):
        text = page.read().decode()
        if page.url.startswith(GATEWAY):
            return text
        form = re.search(r'<form[^>]*action="([^"]+)"', text)
        kind = re.search(r'name="prompt" value="([^"]+)"', text)
        if not form or not kind:
            sys.exit(f"the provider shows no form: {text[:500]}")
        fields = {"prompt": kind.group(1), "login": "carol", "password": "anything"}
        target = urllib.parse.urljoin(page.url, form.group(1))
        page = browser.open(target, urllib.parse.urlencode(fields).encode(), timeout=30)
    sys.exit("the provider never sent the person back")


# What runs inside `remit run`: a token counts for the processes of its run alone.
AGENT = """
import json, os, sys, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.request import ProxyHandler, Request, build_opener
def ask(_):
    request = Request(sys.argv[1] + '/egress/crm/me', headers={
        'Proxy-Authorization': 'Bearer ' + os.environ['REMIT_TOKEN'], 'Authorization': 'Bearer ' + os.environ['CRM_LOGIN']})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            return [answer.status, json.load(answer)]
    except urllib.error.HTTPError as error:
        return [error.code, json.load(error)]
print('has', os.environ['CRM_LOGIN'], flush=True)
for line in sys.stdin:
    print('got', json.dumps(list(ThreadPoolExecutor(8).map(ask, range(int(line))))), flush=True)
"""


class Agent:
    def __init__(self):
        self.run = subprocess.Popen(
            [REMIT, "run", "--agent", "builder", "--intent", "look who I am", "--allow", "crm/*", "--resource", "crm:people", "--",
             "python3", "-c", AGENT, GATEWAY],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.placeholder = self.says("has ")

    def says(self, prefix):
        for line in self.run.stdout:
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
        sys.exit("the run ended early")

    def ask_at_once(self, count):
        self.run.stdin.write(f"{count}\n")
        self.run.stdin.flush()
        return json.loads(self.says("got "))

    def ask(self):
        return self.ask_at_once(1)[0]

    def leave(self):
        self.run.stdin.close()
        self.run.wait(timeout=30)


agent = Agent()
check("the agent carries a placeholder", agent.placeholder.startswith("remit-placeholder-"), agent.placeholder)
status, held = agent.ask()
check("without a login the call is held, and says how to sign in",
      status == 202 and held["reason"] == "needs_reauth" and "remit mcp login crm" in held["message"], held)
check("nobody was asked for a token yet", counts()["code"] == 0, counts())
check("the person signs in at the provider and comes back", "is signed in to crm" in sign_in())
for _ in range(100):
    status, me = agent.ask()
    if status != 202:
        break
    time.sleep(0.1)
check("what waited went on with the person's token", (status, me.get("email")) == (200, "carol@example.org"), me)
check("one code was redeemed", (counts()["code"], counts()["refresh"]) == (1, 0), counts())
# A token that runs out within a minute is refreshed before it is used.
time.sleep(4)
answers = [status for status, _ in agent.ask_at_once(6)]
check("six calls at once refresh once", answers == [200] * 6 and counts()["refresh"] == 1, (answers, counts()))
time.sleep(4)
check("the rotated token is refreshed again", agent.ask()[0] == 200 and counts()["refresh"] == 2, counts())
# Somebody who got hold of a used refresh token tries it: the provider ends the whole grant.
stolen = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": counts()["last_refresh"]}).encode()
basic = base64.b64encode(b"remit-systems:correct+horse").decode()
try:
    urllib.request.urlopen(urllib.request.Request(f"{PROVIDER}/token", stolen, {"Authorization": f"Basic {basic}"}), timeout=10)
    check("a used refresh token is refused", False)
except urllib.error.HTTPError as error:
    check("a used refresh token is refused", json.load(error)["error"] == "invalid_grant")
# A token that is refused right after a refresh is not refreshed again: that would go round in a circle.
time.sleep(11)
status, held = agent.ask()
check("then the call is held for the person again", status == 202 and held["reason"] == "needs_reauth", (status, held))
sign_in()
for _ in range(100):
    status, me = agent.ask()
    if status != 202:
        break
    time.sleep(0.1)
check("and goes on once they signed in", status == 200, me)
agent.leave()
print(f"{failed} failed")
sys.exit(1 if failed else 0)
