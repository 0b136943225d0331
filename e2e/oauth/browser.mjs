// A person at a browser: Debian's Chromium, headless, driven by playwright-core.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const BINARY = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const hasBrowser = () => BINARY !== undefined;

export async function person(shots) {
  const browser = await chromium.launch({ executablePath: BINARY, headless: true, args: FLAGS });
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 900, height: 1100 } });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  return {
    page,
    context,
    problems,
    shot: (name) => (shots ? page.screenshot({ path: join(shots, `${name}.png`), fullPage: true }) : undefined),
    // Follows the link of `remit human login`.
    async signIn(link) {
      await page.goto(link);
      await page.getByRole('button', { name: /^Sign in as/ }).click();
    },
    // Fills in the consent page and presses its button; `choose` may pick a template first.
    async consent(goal, button, choose) {
      await page.getByLabel(/What shall be reached/).fill(goal);
      if (choose) await choose(page);
      await page.getByRole('button', { name: button }).click();
    },
    close: () => browser.close(),
  };
}
