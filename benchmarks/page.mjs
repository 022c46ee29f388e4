// Opens HTML pages in Chromium and prints milliseconds: node page.mjs MODULES CHROMIUM ROUNDS PAGE...
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, executablePath, rounds, ...pages] = process.argv.slice(2);
const { chromium } = createRequire(pathToFileURL(`${modules}/`))("playwright-core");
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
const browser = await chromium.launch({ executablePath, args });
const times = pages.map(() => []);
for (let round = 0; round < Number(rounds); round++) {
  for (const [number, file] of pages.entries()) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    // Processor time of the page's thread: what it takes beside the load of other processes.
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    await page.goto(pathToFileURL(file).href, { waitUntil: "load" });
    const { metrics } = await session.send("Performance.getMetrics");
    const processor = metrics.find(metric => metric.name === "TaskDuration").value * 1000;
    times[number].push({ processor, ...await page.evaluate(async () => {
      // two frames later the first screen is painted
      await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
      const opened = performance.now();
      const timed = async action => {
        const start = performance.now();
        action();
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return performance.now() - start;
      };
      const set = (selector, value) => {
        const field = document.querySelector(selector);
        if (!field) return;
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      };
      return {
        opened,
        searched: await timed(() => set("input[type=search]", "name7")),
        grouped: await timed(() => set("select[name=grouping]", "rule")),
      };
    }) });
    await page.close();
  }
}
await browser.close();
console.log(JSON.stringify(times));
