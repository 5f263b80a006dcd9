// Opens /docs in a browser as a reader does: reads, gives a token, tries a call, and looks for what would shut someone
// out. Prints what it found as JSON; tests/it/documents.rs judges.
//
//   node docs.cjs <base url> <token> <operation> <its organisation> <screenshot.png>
'use strict';
const { chromium } = require('playwright-core');
const axe = require('axe-core');
const fs = require('fs');

async function main([base, token, operation, organisation, screenshot]) {
  const found = { complaints: [], elsewhere: [], violations: {}, operations: [], tried: null, shown: false };
  const browser = await chromium.launch({
    executablePath: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => fs.existsSync(path)),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(15000);
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') found.complaints.push(message.text());
    });
    page.on('pageerror', (error) => found.complaints.push(String(error)));
    // The reader fetches the document twice, and gives the first up: an abort is its own doing.
    page.on('requestfailed', (request) => {
      const why = request.failure().errorText;
      if (why !== 'net::ERR_ABORTED') found.complaints.push(`${request.url()}: ${why}`);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(base) && !request.url().startsWith('data:')) found.elsewhere.push(request.url());
    });
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });

    const look = async (where) => {
      const result = await page.evaluate(async () => window.axe.run(document, { resultTypes: ['violations'] }));
      for (const { id, impact, nodes } of result.violations) {
        const key = `${impact} ${id}`;
        found.violations[key] = [...(found.violations[key] || []), `${where}: ${nodes[0].html.slice(0, 200)}`];
      }
    };
    await page.goto(`${base}/docs`);
    const explorer = page.locator('openapi-explorer');
    const links = explorer.locator('[data-content-id]');
    await links.first().waitFor();
    // From outside the page's policy, which would not let it in.
    await page.evaluate(axe.source);
    await look('first view');
    const ids = await links.evaluateAll((all) => all.map((one) => one.dataset.contentId));
    found.operations = ids.filter((id) => /^(get|post|put|patch|delete)-/.test(id));

    await explorer.locator('#link-auth').click();
    await explorer.locator('input.api-key-input').fill(token);
    await explorer.locator('input.api-key-input ~ button').click();
    await look('token');

    for (const id of found.operations) {
      await explorer.locator(`[data-content-id="${id}"]`).click();
      await explorer.locator('.btn-execute').first().waitFor();
      await look(id);
      if (id !== operation) continue;
      await explorer.locator('input[data-pname="organisation"]').first().fill(organisation);
      const answered = page.waitForResponse((response) => response.url().includes('/v1/'));
      await explorer.locator('.btn-execute').first().click();
      const response = await answered;
      found.tried = { status: response.status(), url: response.url() };
      await explorer.getByText('Response Status', { exact: false }).first().waitFor();
      found.shown = await explorer.getByText('Et projekt', { exact: false }).first().isVisible();
      await look(`${id}, answered`);
      await page.screenshot({ path: screenshot });
    }
  } finally {
    await browser.close();
  }
  process.stdout.write(JSON.stringify(found));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
