// Opens a paper in a browser as it is served, looks for what would shut a reader out, and prints it. Prints what it found as
// JSON; tests/it/paper.rs judges.
//
//   node paper.cjs <url> <token> <screenshot.png>
'use strict';
const { chromium } = require('playwright-core');
const axe = require('axe-core');
const fs = require('fs');

async function main([url, token, screenshot]) {
  const found = { complaints: [], elsewhere: [], violations: [] };
  const browser = await chromium.launch({
    executablePath: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => fs.existsSync(path)),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 900, height: 1200 } });
    page.setDefaultTimeout(15000);
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') found.complaints.push(message.text());
    });
    page.on('pageerror', (error) => found.complaints.push(String(error)));
    page.on('request', (request) => {
      if (request.url() !== url) found.elsewhere.push(request.url());
    });
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await page.setExtraHTTPHeaders({ authorization: `Bearer ${token}` });
    const response = await page.goto(url);
    found.status = response.status();
    found.headers = response.headers();
    found.title = await page.title();
    found.lang = await page.evaluate(() => document.documentElement.lang);
    // Styled only if the policy lets the page's own style in.
    found.collapse = await page.evaluate(() => getComputedStyle(document.querySelector('table')).borderCollapse);
    found.wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    await page.screenshot({ path: screenshot, fullPage: true });
    const pdf = await page.pdf({ preferCSSPageSize: true });
    found.pages = (pdf.toString('latin1').match(/\/Type \/Page\b/g) || []).length;
    // From outside the page's policy, which would not let it in.
    await page.evaluate(axe.source);
    for (const width of [900, 400]) {
      await page.setViewportSize({ width, height: 1200 });
      const result = await page.evaluate(async () => window.axe.run(document, { resultTypes: ['violations'] }));
      for (const { id, impact, nodes } of result.violations) {
        found.violations.push(`${impact} ${id} at ${width}: ${nodes[0].html.slice(0, 200)}`);
      }
    }
    // What is not the page's may not run in it: its policy stops a style and a script of somebody else's.
    const before = found.complaints.length;
    await page.evaluate(() => {
      const style = document.createElement('style');
      style.textContent = 'main { display: none }';
      document.head.append(style);
      document.body.insertAdjacentHTML('beforeend', '<img src="data:,x">');
    });
    found.hidden = await page.evaluate(() => getComputedStyle(document.querySelector('main')).display === 'none');
    found.complaints.length = before;
  } finally {
    await browser.close();
  }
  process.stdout.write(JSON.stringify(found));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
