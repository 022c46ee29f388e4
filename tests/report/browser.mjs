// What a person sees and does on the HTML page, in Chromium: node browser.mjs MODULES CHROMIUM PAGE...
// Prints one JSON object per page. MODULES is the folder node_modules with axe-core and playwright-core.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, executablePath, ...pages] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
const browser = await chromium.launch({ executablePath, args });

async function opened(file, width, height, colorScheme, told) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  page.on("request", request => { if (request.url() !== pathToFileURL(file).href) told.requests.push(request.url()); });
  page.on("console", message => told.errors.push(message.text()));
  page.on("pageerror", error => told.errors.push(error.message));
  await page.goto(pathToFileURL(file).href);
  return page;
}

async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map(each => `${each.impact} ${each.id}: ${each.nodes[0].html.slice(0, 200)}`);
}

for (const file of pages) {
  const told = { requests: [], errors: [], axe: [] };
  for (const [width, height] of [[1280, 900], [390, 844]]) {
    for (const scheme of ["light", "dark"]) {
      const page = await opened(file, width, height, scheme, told);
      told.axe.push(...await violations(page));
      told.wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      await page.context().close();
    }
  }
  const page = await opened(file, 1280, 900, "light", told);
  told.hacked = await page.evaluate(() => "hacked" in window);
  const see = () => page.evaluate(() => ({
    severities: [...document.querySelectorAll("article")].filter(e => e.checkVisibility()).map(e => e.classList[0]),
    groups: [...document.querySelectorAll(".group h3")].filter(e => e.checkVisibility()).map(e => e.textContent),
    count: document.querySelector("output")?.textContent,
    rows: [...document.querySelectorAll("#endpoints tbody tr")].filter(e => !e.hidden).length,
  }));
  told.first = await see();
  if (await page.locator(".filters").count()) {
    await page.keyboard.press("Tab");
    told.skip = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("/");
    told.slash = await page.evaluate(() => document.activeElement.name);
    await page.selectOption("select[name=grouping]", "rule");
    told.byRule = await see();
    const rule = await page.evaluate(() => document.querySelector("select[name=rule]").options[1].value);
    await page.selectOption("select[name=rule]", rule);
    told.ofRule = { rule, ...await see() };
    await page.getByRole("button", { name: "Show all" }).click();
    told.reset = await see();
    if (await page.locator(".pick[data-filter=host]").count()) {
      await page.locator(".pick[data-filter=host]").first().click();
      told.ofHost = { host: await page.locator("select[name=host]").inputValue(), ...await see() };
      await page.getByRole("button", { name: "Show all" }).click();
    }
    // the same by keyboard alone
    const why = page.locator("article .why summary").first();
    if (await why.count()) {
      await why.focus();
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => document.querySelector("article .why .prose"), null, { timeout: 5000 }).catch(() => {});
      told.why = await page.locator("article .why .prose").first().innerText();
      told.axe.push(...await violations(page));
    }
    await page.evaluate(() => document.querySelectorAll("article")[5]?.scrollIntoView());
    told.above = await page.evaluate(() => {
      const bar = document.querySelector(".filters"), box = bar.getBoundingClientRect();
      const places = [0.02, 0.3, 0.6, 0.98].map(part => [box.left + box.width * part, box.top + box.height / 2]);
      return box.top >= 0 && places.every(place => bar.contains(document.elementFromPoint(...place)));
    });
    await page.emulateMedia({ media: "print" });
    told.printed = await page.evaluate(() => ({
      bar: document.querySelector(".filters").checkVisibility(),
      articles: [...document.querySelectorAll("article")].filter(e => e.checkVisibility()).length,
    }));
  }
  await page.context().close();
  console.log(JSON.stringify(told));
}
await browser.close();
