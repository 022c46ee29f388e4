(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const list = document.querySelector("#list");
  const form = document.querySelector(".filters");

  // Explanations: each is on the page once, under Rules, and is copied where it is opened. Ten thousand closed boxes
  // would take as long to load as all the rest: a finding gets its box when it comes near the screen.
  const explanation = rule => document.getElementById("rule-" + rule)?.querySelector(".prose")?.cloneNode(true);
  const explainable = article => {
    if (article.querySelector(".why") || !document.getElementById("rule-" + article.dataset.rule)) return;
    const box = document.createElement("details"), title = document.createElement("summary");
    box.className = "why";
    title.append("Explanation");
    box.append(title);
    box.addEventListener("toggle", () => {
      if (box.open && box.childElementCount === 1) box.append(explanation(article.dataset.rule));
    });
    article.append(box);
  };
  if ("oncontentvisibilityautostatechange" in document) {
    list.addEventListener("contentvisibilityautostatechange", event => { if (!event.skipped) explainable(event.target); });
  } else for (const article of list.querySelectorAll("article")) explainable(article);
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const box = target.closest("details");
    if (box && !box.open) { box.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Tables sort by a column.
  const collator = new Intl.Collator("en", { numeric: true });
  for (const head of document.querySelectorAll("table.sortable thead th")) {
    // The title stays outside of the button: print repeats no button at the top of the next page.
    const button = document.createElement("button");
    button.setAttribute("aria-label", "Sort by " + head.textContent);
    head.append(" ", button);
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = head.closest("table").tBodies[0], column = head.cellIndex;
      const rows = [...body.rows].map(row => [row.cells[column]?.textContent ?? "", row]);
      // Empty cells stay last.
      rows.sort(([a], [b]) => !a - !b || (up ? 1 : -1) * collator.compare(a, b));
      body.append(...rows.map(([, row]) => row));
    });
  }

  // Closed tables are printed, too.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("main > section details:not([open])")].filter(box => !box.closest("article"));
    for (const box of closed) box.open = true;
  });
  addEventListener("afterprint", () => { for (const box of closed) box.open = false; });

  if (!form) return;
  const field = name => form.elements.namedItem(name);
  const { host, rule, grouping, words } = Object.fromEntries(
    ["host", "rule", "grouping", "words"].map(name => [name, field(name)]));
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const reset = form.querySelector("button"), out = form.querySelector("output");
  const titles = { error: "Errors", warning: "Warnings", note: "Notes" };
  const rows = [...list.querySelectorAll("article")].map((element, number) => ({
    element, number, text: null, severity: element.classList[0], shown: true,
    rule: element.dataset.rule, host: element.dataset.host ?? "", file: element.dataset.file ?? "",
  }));
  const tables = [...document.querySelectorAll("tr[data-host]")];
  let groups = [...list.querySelectorAll(".group")];

  const regroup = () => {
    const by = grouping.value;
    const found = new Map();
    for (const row of rows) {
      const name = by === "file" && row.host ? row.host + "  " + row.file : row[by];
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(row);
    }
    // Severities stay in their order; of the others, the group with the most errors is first.
    const badness = members => Object.keys(titles).map(kind => members.filter(row => row.severity === kind).length);
    const ordered = [...found].map(([name, members]) => [name, members, badness(members)]);
    ordered.sort(([, , a], [, , b]) => b[0] - a[0] || b[1] - a[1] || b[2] - a[2]);
    groups = ordered.map(([name, members]) => {
      const section = document.createElement("section"), title = document.createElement("h3");
      section.className = "group";
      title.append(titles[name] ?? (name || "(none)"), " ", document.createElement("span"));
      section.append(title);
      // The first paragraph of a rule says what is wrong.
      if (by === "rule") section.append(explanation(name)?.querySelector("p") ?? "");
      section.append(...members.map(row => row.element));
      return section;
    });
    list.replaceChildren(...groups);
  };

  const show = () => {
    const kinds = new Set(boxes.filter(box => box.checked).map(box => box.value));
    const word = words.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      let fits = kinds.has(row.severity) && (!rule.value || row.rule === rule.value)
        && (!host?.value || row.host === host.value);
      if (fits && word) fits = (row.text ??= row.element.textContent.toLowerCase()).includes(word);
      if (row.shown !== fits) { row.shown = fits; row.element.hidden = !fits; }
      count += fits;
    }
    for (const group of groups) {
      const inside = group.querySelectorAll("article:not([hidden])").length;
      group.hidden = !inside;
      group.querySelector("h3 span").textContent = inside.toLocaleString("en");
    }
    for (const row of tables) row.hidden = !!host?.value && row.dataset.host !== host.value;
    document.querySelector("#nothing").hidden = count > 0 || !rows.length;
    out.textContent = count.toLocaleString("en") + " of " + rows.length.toLocaleString("en");
    reset.hidden = count === rows.length && !host?.value && !word;
  };

  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("input", event => { if (event.target === grouping) regroup(); show(); });
  reset.addEventListener("click", () => {
    for (const box of boxes) box.checked = true;
    for (const each of [host, rule, words]) if (each) each.value = "";
    show();
    words.focus();
  });
  document.addEventListener("click", event => {
    const pick = event.target.closest(".pick");
    if (!pick) return;
    const select = field(pick.dataset.filter);
    select.value = pick.dataset.value;
    show();
    document.querySelector("#findings").scrollIntoView();
    select.focus({ preventScroll: true });
  });
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    event.preventDefault();
    words.focus();
  });
  if (boxes.some(box => !box.checked) || rule.value || host?.value || words.value || grouping.value !== "severity") regroup();
  show();
})();
